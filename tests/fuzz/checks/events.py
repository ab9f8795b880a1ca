"""One task event in JSON: the compiled reader against msgspec."""

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.unit.features.support import T0, Record

from gnomon import codec
from gnomon.events import TaskCancelled, TaskEvent, TaskStarted

EXAMPLES = Path(__file__).parents[3] / "schemas" / "examples"
UNKNOWN = -1
STARTED, FINISHED, CANCELLED = range(3)
WORDS = (
    b'"context":{', b'"estimate_s":', b'"seq":', b'"producer_id":"', b'"duration_s":', b'"outcome":{',
    b'"traceparent":"', b'"tenant":"', b'"code_review_iterations":', b'"deployment_succeeded":', b'"error_type":"',
    b"null", b"true", b"false", b"1e308", b"0.1", b"9007199254740993.0", b"253402300799999",
    b"9000000.0", b"\\u0041", b"\\ud800", b"\xc3\xa9", b"{}", b'"}', b'\\"', b'":"', b',"',
)  # fmt: skip
"""What a mutation inserts as a whole."""


def seeds() -> list[bytes]:
    """The examples of the public contract."""
    kinds = "task_started.v1", "task_finished.v1", "task_cancelled.v1"
    paths = [path for kind in kinds for path in sorted((EXAMPLES / kind).glob("*.json"))]
    written = [path.read_bytes() for path in paths]
    # As msgspec writes them, without spaces, is the form that is read in C.
    return written + [codec.encode(codec.decode_task_event(data)) for data in written]


def check(data: bytes) -> None:
    """Read ``data`` in both ways; both read the same event, or refuse with the same message."""
    compiled, expected = _answer(lambda: _compiled(data)), _answer(lambda: _expected(data))
    assert compiled == expected, (compiled, expected)


def _compiled(data: bytes) -> object:
    packedevents: Any = importlib.import_module("gnomon.features.compiled.packedevents")
    events = packedevents.decode([Record(data, timestamp=T0)])
    _, kind, facts, context = events.fields(0)
    seq, producer_id = facts[1], facts[8]
    if seq == UNKNOWN or producer_id is None:  # each counts only beside the other
        facts[1], facts[8] = UNKNOWN, None
    return kind, repr(facts), repr(context), events[0]


def _expected(data: bytes) -> object:
    event = codec.decode_task_event(data)
    return *_facts(event), event


def _facts(event: TaskEvent) -> tuple[int, str, str]:
    known = event.seq is not None and event.producer_id is not None
    seq = event.seq if known else UNKNOWN
    names: list[object] = [event.agent_id, event.task_id, None]
    producer_id = event.producer_id if known else None
    if isinstance(event, TaskCancelled):
        numbers = [event.cancelled_at_ms, seq, UNKNOWN, UNKNOWN, 0]
        return CANCELLED, repr([*numbers, *names, producer_id, None, None]), "{}"
    names[2] = event.task_type
    if isinstance(event, TaskStarted):
        numbers = [event.started_at_ms, seq, UNKNOWN, UNKNOWN, 0]
        facts = [*numbers, *names, producer_id, None, event.estimate_s]
        return STARTED, repr(facts), repr(event.context)
    marks = event.code_review_iterations, event.deployment_succeeded
    unknown = [UNKNOWN if mark is None else int(mark) for mark in marks]
    numbers = [event.finished_at_ms, seq, *unknown, int(event.succeeded)]
    return FINISHED, repr([*numbers, *names, producer_id, event.duration_s, event.estimate_s]), "{}"


def _answer(read: Callable[[], object]) -> object:
    try:
        return read()
    except codec.UNDECODABLE as error:
        return type(error).__name__, str(error)
