"""The identity is spliced into an event's bytes and changes nothing else of the event."""

import json
import re

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gnomon import codec
from gnomon.client.delivery.identity import MOST_BYTES, Identity, producer_of, splice
from gnomon.client.records import Record
from gnomon.events import TaskCancelled, TaskEvent, TaskFinished, TaskStarted

words = st.text(min_size=1, max_size=20)
values = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | words
fields = st.sampled_from(["producer_id", "seq", "kind", "tenant", ',"seq":1}', "a"]) | words
mappings = st.dictionaries(fields, values, max_size=4)
tenants = st.none() | st.text(min_size=1, max_size=64) | st.just('x","seq":1}')
events = st.one_of(
    st.builds(
        TaskStarted,
        agent_id=words,
        task_id=words,
        task_type=words,
        started_at_ms=st.integers(0, 10**12),
        context=mappings,
        traceparent=st.none() | st.just('","producer_id":"x","seq":7}'),
        tenant=tenants,
    ),
    st.builds(
        TaskFinished,
        agent_id=words,
        task_id=words,
        task_type=words,
        started_at_ms=st.just(5),
        finished_at_ms=st.integers(5, 10**12),
        duration_s=st.floats(0, 1e6),
        succeeded=st.booleans(),
        context=mappings,
        outcome=mappings,
        tenant=tenants,
    ),
    st.builds(
        TaskCancelled,
        agent_id=words,
        task_id=words,
        cancelled_at_ms=st.integers(0, 10**12),
        reason=words
        | st.sampled_from([',"producer_id":"x","seq":7}', ',"tenant":"x"}', ',"tenant":"x']),
        tenant=tenants,
    ),
)
sequences = st.integers(0, 2**53 - 1)
ids = st.text(min_size=1, max_size=64)


@given(events, st.from_regex(r"[0-9a-f]{16}", fullmatch=True), sequences)
def test_the_spliced_bytes_are_the_same_event_with_an_identity(
    event: TaskEvent, producer_id: str, seq: int
) -> None:
    value = splice(codec.encode(event), producer_id=producer_id, seq=seq)

    expected = msgspec.structs.replace(event, producer_id=producer_id, seq=seq)
    assert codec.decode_task_event(value) == expected
    assert json.loads(value) == {
        **json.loads(codec.encode(event)),
        "producer_id": producer_id,
        "seq": seq,
    }
    assert len(value) - len(codec.encode(event)) <= MOST_BYTES


def test_a_tenant_and_an_identity_take_132_bytes_at_most() -> None:
    tenant = b',"tenant":"%b"' % (b"t" * 64)
    largest = tenant + b',"producer_id":"0123456789abcdef","seq":9007199254740991}'

    assert len(largest) - len(b"}") == 132 <= MOST_BYTES


@given(events)
def test_an_event_gets_the_tenant_of_its_client_unless_it_names_one(event: TaskEvent) -> None:
    identity = Identity(tenant="acme")

    (record,) = identity.put_on([Record(b"k", codec.encode(event))])

    read = codec.decode_task_event(record.value)
    assert read.tenant == (event.tenant or "acme")
    assert read == msgspec.structs.replace(
        event, tenant=read.tenant, producer_id=identity.producer_id, seq=0
    )


@given(events)
def test_a_value_of_an_agent_is_not_taken_for_an_identity(event: TaskEvent) -> None:
    assert producer_of(codec.encode(event)) is None


@given(events, ids, sequences)
def test_an_event_keeps_the_identity_it_came_with(
    event: TaskEvent, producer_id: str, seq: int
) -> None:
    value = codec.encode(msgspec.structs.replace(event, producer_id=producer_id, seq=seq))
    identity = Identity()

    (record,) = identity.put_on([Record(b"k", value)])

    assert record == Record(b"k", value)
    assert identity.sent == 0


def test_numbers_follow_one_another_without_gaps() -> None:
    event = codec.encode(TaskCancelled(agent_id="a", task_id="t", cancelled_at_ms=1))
    given_one = splice(event, producer_id="another", seq=100)
    identity = Identity()

    records = identity.put_on([Record(b"a", v) for v in (event, event, given_one, event)])
    again = identity.put_on(records)

    found = [codec.decode_task_event(record.value) for record in records]
    mine = identity.producer_id
    assert [(e.producer_id, e.seq) for e in found] == [
        (mine, 0),
        (mine, 1),
        ("another", 100),
        (mine, 2),
    ]
    assert again == records
    assert identity.sent == 3


def test_identities_differ() -> None:
    made = {Identity().producer_id for _ in range(100)}

    assert len(made) == 100
    assert all(re.fullmatch("[0-9a-f]{16}", one) for one in made)


@pytest.mark.parametrize(
    ("value", "producer"),
    [
        (b'{"kind":"x","producer_id":"ab","seq":0}', "ab"),
        (b'{"kind":"x","context":{"producer_id":"ab","seq":0}}', None),
        (b'{"kind":"x","producer_id":"ab"}', None),
        (b'{"kind":"x","seq":5}', None),
        (b"{}", None),
        (b"", None),
    ],
)
def test_an_identity_is_both_fields_at_the_end(value: bytes, producer: str | None) -> None:
    assert producer_of(value) == producer
