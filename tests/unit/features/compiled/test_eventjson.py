"""The compiled decoder returns or raises what msgspec's does, for any bytes."""

import importlib
import json
import sys
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.unit.features.support import Record

from gnomon import codec
from gnomon.events import TaskCancelled, TaskEvent, TaskFinished, TaskStarted
from gnomon.features import implementation
from gnomon.topics import MAX_EVENT_BYTES

UNKNOWN = -1
pytestmark = pytest.mark.skipif(
    not implementation.COMPILED,
    reason="gnomon.features.compiled.eventjson was not compiled here: pip install says why",
)


packedevents: Any = implementation.COMPILED and importlib.import_module(
    "gnomon.features.compiled.packedevents"
)
T0 = 1_760_000_000_000


def compiled(*values: bytes) -> Any:
    """The events of the values, decoded in C where they are canonical."""
    return packedevents.decode([Record(value, timestamp=T0) for value in values])


def expected_fields(event: TaskEvent) -> tuple[int, list[object], object]:
    """The kind, fields and context that ``Events.fields`` must return for an event."""
    sent = event.seq is not None and event.producer_id is not None
    names: list[object] = [event.agent_id, event.task_id, None, event.producer_id if sent else None]
    seq = event.seq if sent else UNKNOWN
    if isinstance(event, TaskCancelled):
        return 2, [event.cancelled_at_ms, seq, UNKNOWN, UNKNOWN, 0, *names, None, None], {}
    names[2] = event.task_type
    if isinstance(event, TaskStarted):
        at_ms = event.started_at_ms
        fields = [at_ms, seq, UNKNOWN, UNKNOWN, 0, *names, None, event.estimate_s]
        return 0, fields, event.context
    outcomes = event.code_review_iterations, event.deployment_succeeded
    unknown = [UNKNOWN if each is None else int(each) for each in outcomes]
    fields = [event.finished_at_ms, seq, *unknown, int(event.succeeded), *names]
    return 1, [*fields, event.duration_s, event.estimate_s], {}


def answer(read: Callable[[], object]) -> object:
    try:
        return read()
    except codec.UNDECODABLE as error:
        return type(error), str(error)


def agree(value: bytes) -> None:
    def ours() -> object:
        events = compiled(value)
        (_, kind, fields, context), (event,) = events.fields(0), events
        # A producer counts only together with a ``seq``.
        sent = fields[1] != UNKNOWN and fields[8] is not None
        fields[1], fields[8] = (fields[1], fields[8]) if sent else (UNKNOWN, None)
        return kind, repr(fields), repr(context), event

    def codecs() -> object:
        event = codec.decode_task_event(value)
        kind, fields, context = expected_fields(event)
        return kind, repr(fields), repr(context), event

    assert answer(ours) == answer(codecs)


ids = st.text(st.characters(max_codepoint=127), min_size=1, max_size=12) | st.sampled_from(
    ["a", "x" * 256, "x" * 257, "", "é", "a\x7f", 'say "so"', "a\\b", "</script>"]
)
times = st.sampled_from(
    [0, 1, 10, 1_760_000_000_000, 253_402_300_799_999, 253_402_300_800_000]
) | st.integers(0, 2**54)
numbers = (
    st.floats(min_value=0, allow_nan=False, allow_infinity=False)
    | st.integers(0, 2**53).map(lambda n: n / 1000)
    | st.integers(0, 10**7)
    | st.sampled_from([0.0, 9_000_000.0, 9_000_000.001, 1e22, 5e-324, 0.1, -0.0, -1.5])
)
values: st.SearchStrategy[object] = (
    numbers
    | st.text(max_size=9)
    | st.sampled_from(['}"', "\\", "\\}", '"}', ",", 2**64, -(2**63), True, None])
    | st.just({"nested": 1})
    | st.just([])
)
optional = {
    "estimate_s": numbers | st.none(),
    "context": st.dictionaries(ids, values, max_size=3),
    "sealed_context": st.sampled_from(["", "AAAA", "!"]),
    "traceparent": st.text(max_size=56) | st.just("00-0af7651916cd43dd8448eb211c80319c-b7-01"),
    "tenant": ids | st.just("t" * 64) | st.just("t" * 65),
    "producer_id": ids | st.just("p" * 64) | st.just("p" * 65),
    "seq": st.sampled_from([0, 7, 2**53 - 1, 2**53, 2**64, -1]) | st.integers(0, 2**53) | st.none(),
}
required = {"agent_id": ids, "task_id": ids, "task_type": ids, "started_at_ms": times}
started = st.fixed_dictionaries({"kind": st.just("task_started.v1"), **required}, optional=optional)
finished = st.fixed_dictionaries(
    {
        "kind": st.just("task_finished.v1"),
        **required,
        "finished_at_ms": times,
        "duration_s": numbers,
        "succeeded": st.booleans() | st.none(),
    },
    optional={
        "code_review_iterations": st.integers(0, 3) | st.sampled_from([10**8, 10**8 + 1]),
        "deployment_succeeded": st.booleans() | st.none(),
        "error_type": ids,
        "estimate_s": optional["estimate_s"],
        "context": optional["context"],
        "outcome": optional["context"],
        "sealed_outcome": optional["sealed_context"],
        "traceparent": optional["traceparent"],
        "tenant": optional["tenant"],
        "producer_id": optional["producer_id"],
        "seq": optional["seq"],
    },
)
PLAIN = (
    TaskStarted(agent_id="a", task_id="t", task_type="k", started_at_ms=1_760_000_000_000),
    TaskStarted(
        agent_id="a", task_id="t", task_type="k", started_at_ms=0, estimate_s=1.5,
        context={"a": 'b"}', "c\\": 1.5, "d": None}, traceparent="00-0af-b7-01", tenant="acme",
        producer_id="p", seq=9,
    ),
    TaskFinished(
        agent_id="a", task_id="t", task_type="k", started_at_ms=5, finished_at_ms=5,
        duration_s=0.25, succeeded=False, code_review_iterations=2, deployment_succeeded=True,
        error_type="ValueError", estimate_s=3.0, context={"a": 1}, outcome={"é": True},
        producer_id="p", seq=2**53 - 1,
    ),
    TaskCancelled(agent_id="a", task_id="t", cancelled_at_ms=7),
)  # fmt: skip


@given(started | finished)
def test_events_in_the_order_of_their_fields(event: dict[str, object]) -> None:
    agree(json.dumps(event, separators=(",", ":")).encode())
    agree(msgspec.json.encode(event))


@given(
    started | finished,
    st.randoms(use_true_random=False),
    st.sampled_from([(",", ":"), (", ", ": ")]),
)
def test_fields_in_any_order_and_spaces(
    event: dict[str, object], draw: Any, separators: tuple[str, str]
) -> None:
    names = list(event)
    draw.shuffle(names)
    agree(json.dumps({name: event[name] for name in names}, separators=separators).encode())


@pytest.mark.parametrize("event", PLAIN)
def test_every_prefix_and_every_byte_changed(event: TaskEvent) -> None:
    value = codec.encode(event)
    for at in range(len(value)):
        agree(value[:at])
        for byte in b'"\\,:{}[] 09.e-+at\x00\x1f\x7f\x80\xff':
            agree(value[:at] + bytes([byte]) + value[at + 1 :])
            agree(value[:at] + bytes([byte]) + value[at:])
        agree(value[:at] + value[at + 1 :])
    agree(value + b" ")


@given(st.text(st.sampled_from("0123456789.eE+-"), min_size=1, max_size=24))
@example("00.5")
@example("5.")
@example(".5")
@example("9007199254740993.0")
@example("0.0000000000000000000001")
@example("9000000.0000000000000001")
def test_numbers(number: str) -> None:
    start = b'{"kind":"task_started.v1","agent_id":"a","task_id":"t","task_type":"k"'
    agree(start + b',"started_at_ms":%s}' % number.encode())
    agree(start + b',"started_at_ms":1,"estimate_s":%s}' % number.encode())
    agree(start + b',"started_at_ms":1,"seq":%s}' % number.encode())
    end = start.replace(b"started", b"finished") + b',"started_at_ms":1,"finished_at_ms":2'
    agree(end + b',"duration_s":%s,"succeeded":true}' % number.encode())


@given(st.integers(0, 2**53 + 9), st.integers(0, 24))
def test_every_double_is_the_nearest(digits: int, places: int) -> None:
    written = str(digits).rjust(places + 1, "0")
    number = f"{written[: len(written) - places]}.{written[len(written) - places :] or '0'}"
    start = b'{"kind":"task_started.v1","agent_id":"a","task_id":"t","task_type":"k"'
    agree(start + b',"started_at_ms":1,"estimate_s":%s}' % number.encode())


@given(st.binary(max_size=60))
def test_any_bytes(value: bytes) -> None:
    agree(value)
    agree(b'{"kind":"task_started.v1"' + value)


@pytest.mark.parametrize("event", PLAIN)
def test_canonical_events_are_decoded_in_c(event: TaskEvent) -> None:
    """Else all that is fields here would be fields of msgspec."""
    in_c, *_ = compiled(codec.encode(event)).fields(0)

    assert in_c is not isinstance(event, TaskCancelled)


def test_a_sequence_of_events() -> None:
    events = compiled(*(codec.encode(event) for event in PLAIN))

    assert list(events) == list(PLAIN)
    assert list(reversed(events)) == list(PLAIN)[::-1]
    assert (len(events), events[-1]) == (4, PLAIN[-1])
    for at in (4, -5):
        with pytest.raises(IndexError, match="there are 4 events"):
            events[at]


def test_seqs_by_producer() -> None:
    sent = [("p", 3), ("q", 1), (None, 5), ("p", None), ("p", 2), ("é", 4)]
    events = [
        TaskCancelled(agent_id="a", task_id="t", cancelled_at_ms=7, producer_id=p, seq=seq)
        for p, seq in sent
    ] + [
        TaskStarted(agent_id="a", task_id="t", task_type="k", started_at_ms=7, producer_id=p, seq=s)
        for p, s in sent
    ]

    seqs = compiled(*map(codec.encode, events)).seqs_by_producer()

    assert seqs == {"p": [3, 2, 3, 2], "q": [1, 1], "é": [4, 4]}


def test_contexts_are_not_shared_between_events() -> None:
    value = codec.encode(PLAIN[1])

    events = compiled(value, value)

    assert events.fields(0)[3] == {"a": 'b"}', "c\\": 1.5, "d": None}
    assert events.fields(0)[3] is not events.fields(1)[3]


@pytest.mark.parametrize("value", [None, "text", 7])
def test_what_is_no_bytes_is_refused(value: Any) -> None:
    with pytest.raises(TypeError):
        compiled(value)


def test_what_is_too_large_is_refused() -> None:
    value = codec.encode(PLAIN[0])
    assert len(compiled(value.ljust(MAX_EVENT_BYTES))) == 1

    with pytest.raises(msgspec.DecodeError):
        compiled(value.ljust(MAX_EVENT_BYTES + 1))


@pytest.mark.parametrize(
    "wrong", [b'"succeeded":null', b'"context":{"a":1},"outcome":{"a":[]}', b'"seq":-1']
)
@pytest.mark.parametrize("event", PLAIN[1:3])
def test_references_are_given_back(event: TaskEvent, wrong: bytes) -> None:
    """References are counted by hand, also those of fields read before the rest was refused."""
    value = codec.encode(event)
    values = value, value[:-1] + b"," + wrong + b"}", value.replace(b'"agent_id"', b' "agent_id"')

    def read() -> None:
        for each in values:
            answer(lambda each=each: [*compiled(each)])  # type: ignore[misc]

    read()
    before = sys.getrefcount(type(event)), sys.getallocatedblocks()
    for _ in range(1_000):
        read()

    assert sys.getrefcount(type(event)) <= before[0] + 1
    assert sys.getallocatedblocks() < before[1] + 500
