"""What a body of /v1/events may be, and what of it is refused."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
    end = {
        **STARTED,
        "kind": "task_finished.v1",
        "finished_at_ms": 1,
        "duration_s": 1.0,
        "succeeded": True,
    }
    (refused,) = read_events(json.dumps(end).encode())
    assert isinstance(refused, EventError)


def test_the_senders_identity_is_not_the_gateways() -> None:
    """The client puts its own on; two would be two fields of one name."""
    (event,) = read_events(json.dumps({**STARTED, "producer_id": "p", "seq": 4}).encode())
    assert event == START


@given(st.binary(max_size=300) | st.text(max_size=300).map(str.encode))
def test_any_bytes_are_events_or_refusals(body: bytes) -> None:
    try:
        found = read_events(body)
    except EventError:
        return
    kinds = TaskStarted | TaskFinished | TaskCancelled | EventError
    assert all(isinstance(event, kinds) for event in found)
