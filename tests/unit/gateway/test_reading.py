"""Tests of the bodies that /v1/events accepts and refuses."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnomon.client import MemoryClient
from gnomon.codec import encode
from gnomon.errors import EventError
from gnomon.events import TaskCancelled, TaskFinished, TaskStarted
from gnomon.gateway.reading import read_events

STARTED: dict[str, Any] = {
    "kind": "task_started.v1",
    "agent_id": "a",
    "task_id": "t",
    "task_type": "x",
    "started_at_ms": 1_760_000_000_000,
}
CANCELLED: dict[str, Any] = {
    "kind": "task_cancelled.v1",
    "agent_id": "a",
    "task_id": "t",
    "cancelled_at_ms": 1_760_000_000_000,
}
START = TaskStarted(agent_id="a", task_id="t", task_type="x", started_at_ms=1_760_000_000_000)
CANCEL = TaskCancelled(agent_id="a", task_id="t", cancelled_at_ms=1_760_000_000_000)
FINISHED: dict[str, Any] = {
    **STARTED,
    "kind": "task_finished.v1",
    "finished_at_ms": 1_760_000_001_000,
    "duration_s": 1.0,
    "succeeded": True,
}
ONE, TWO = json.dumps(STARTED).encode(), json.dumps(CANCELLED).encode()


@pytest.mark.parametrize(
    ("body", "events"),
    [
        (ONE, [START]),
        (json.dumps(STARTED, indent=2).encode(), [START]),
        (b" \r\n" + ONE + b"\n", [START]),
        (b"[" + ONE + b",\n" + TWO + b"]", [START, CANCEL]),
        (b"\n [" + ONE + b"] ", [START]),
        (ONE + b"\n" + TWO, [START, CANCEL]),
        (ONE + b"\r\n\r\n" + TWO + b"\r\n", [START, CANCEL]),
        (b"[]", []),
        (b"", []),
        (b" \n ", []),
    ],
)
def test_one_an_array_or_one_a_line(body: bytes, events: list[object]) -> None:
    assert read_events(body) == events


@pytest.mark.parametrize(
    ("body", "reasons"),
    [
        (b"nonsense", ["not_json"]),
        (ONE + b"\nnonsense\n" + TWO, [None, "not_json", None]),
        (b"[" + ONE + b',{"kind":"task_paused.v1"},7]', [None, "unknown_kind", "invalid"]),
        (json.dumps({**STARTED, "agent_id": ""}).encode(), ["invalid"]),
        (json.dumps({**STARTED, "context": {"a": "x" * 70_000}}).encode(), ["oversize"]),
        (json.dumps({**STARTED, "context": {"a": "x" * 65_300}}).encode(), ["oversize"]),
    ],
)
def test_what_is_no_event_is_told_by_its_place(body: bytes, reasons: list[str | None]) -> None:
    found = read_events(body)
    assert [e.reason if isinstance(e, EventError) else None for e in found] == reasons


def test_a_broken_array_has_no_places() -> None:
    with pytest.raises(EventError, match="not_json"):
        read_events(b"[" + ONE)


def test_an_end_before_its_start_is_refused() -> None:
    (refused,) = read_events(json.dumps({**FINISHED, "finished_at_ms": 1}).encode())
    assert isinstance(refused, EventError)


def test_the_senders_identity_is_not_the_gateways() -> None:
    """The client adds its own identity; with two, a field would appear twice."""
    (event,) = read_events(json.dumps({**STARTED, "producer_id": "p", "seq": 4}).encode())
    assert event == START


@pytest.mark.parametrize(
    ("whole", "refused"),
    [(2**64 - 1, False), (2**64, True), (2**70, True), (-(2**63), False), (-(2**63) - 1, True)],
)
@pytest.mark.parametrize("place", ["context", "outcome"])
def test_integers_of_a_mapping_have_64_bits(place: str, whole: int, refused: bool) -> None:  # noqa: FBT001  a parameter
    (found,) = read_events(json.dumps({**FINISHED, place: {"k": whole}}).encode())

    assert (isinstance(found, EventError) and found.reason == "invalid") is refused


NUMBERS = st.integers(-(10**400), 10**400) | st.sampled_from([2**53, 2**64, 2**70, -(2**63) - 1])
TEXTS = st.text(max_size=8) | st.sampled_from(["", "a" * 257, "é" * 256, "\x00" * 1025, "YQ=="])
VALUES = NUMBERS | st.floats() | st.booleans() | st.none() | TEXTS
MAPPINGS = st.dictionaries(TEXTS, VALUES, max_size=4)
OPTIONAL = {"context", "outcome", "estimate_s", "code_review_iterations", "deployment_succeeded"}
OTHERS = {
    "error_type",
    "sealed_context",
    "sealed_outcome",
    "traceparent",
    "reason",
    "producer_id",
    "tenant",
}
FIELDS = st.sampled_from(sorted({*FINISHED, *CANCELLED, *OPTIONAL, *OTHERS, "seq"}))


@settings(max_examples=800)
@given(
    st.sampled_from([STARTED, FINISHED, CANCELLED]),
    st.dictionaries(FIELDS, VALUES | MAPPINGS, max_size=3),
    st.fixed_dictionaries({}, optional={"context": MAPPINGS, "outcome": MAPPINGS}),
)
def test_what_is_read_is_taken(
    kind: dict[str, Any], changes: dict[str, Any], mappings: dict[str, Any]
) -> None:
    (found,) = read_events(_raw({**kind, **mappings, **changes}))

    assert isinstance(found, EventError) or MemoryClient().emit(found)


@given(
    st.sampled_from([STARTED, FINISHED]),
    st.sampled_from(["a", "é", "\x00", '"', "\N{GRINNING FACE}"]),
    st.integers(64_900, 65_600),
    st.booleans(),
)
def test_what_is_read_is_taken_whatever_its_size(
    kind: dict[str, Any],
    text: str,
    size: int,
    many: bool,  # noqa: FBT001  drawn
) -> None:
    bare = len(_raw({**kind, "context": {"k": ""}}))
    long = text * ((size - bare) // len(json.dumps(text, ensure_ascii=False)[1:-1].encode()))
    items = {f"{at:x}": None for at in range(size // 12)} if many else {"k": long}
    (found,) = read_events(_raw({**kind, "context": items}))

    assert isinstance(found, EventError) or MemoryClient().emit(found)


def _raw(event: dict[str, Any]) -> bytes:
    return json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode(errors="ignore")


@given(st.binary(max_size=300) | st.text(max_size=300).map(str.encode))
def test_any_bytes_are_events_or_refusals(body: bytes) -> None:
    try:
        found = read_events(body)
    except EventError:
        return
    kinds = TaskStarted | TaskFinished | TaskCancelled | EventError
    assert all(isinstance(event, kinds) for event in found)


def test_a_gateway_of_one_tenant_forgets_what_senders_say() -> None:
    body = encode(
        TaskStarted(agent_id="a", task_id="t", task_type="k", started_at_ms=1, tenant="theirs")
    )
    (kept,) = read_events(body)
    (forgotten,) = read_events(body, keeps_tenant=False)
    assert not isinstance(kept, EventError)
    assert not isinstance(forgotten, EventError)
    assert (kept.tenant, forgotten.tenant) == ("theirs", None)
