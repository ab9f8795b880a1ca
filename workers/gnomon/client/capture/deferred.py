"""Events that wait unencoded in the buffer, as tuples, and the records made of them later.

The tuples hold plain values that were checked in the agent's call and are never changed, so the
delivering thread can make the records. Each tuple begins with its size and its maker.
"""

from collections.abc import Callable
from typing import Any, Final

import msgspec

from gnomon import codec
from gnomon.client.records import Record
from gnomon.events import ContextValue, TaskCancelled, TaskEvent, TaskFinished, TaskStarted

NS_PER_MS: Final = 1_000_000
NS_PER_S: Final = 1_000_000_000

Values = dict[str, ContextValue]
DeferredStart = tuple[
    int, Callable[[Any], Record], str, str | int, str, str, int, float | None, Values, str | None
]
"""Size, maker, prefix of made ids, task id (or the number to make it of), agent id, task type, start
in ns since 1970, the agent's estimate in seconds, context, traceparent."""
DeferredEnd = tuple[int, Callable[[Any], Record], DeferredStart, int, int, dict[str, Any] | None]
"""Size, maker, start, end in ns since 1970, measured duration in ns, and those fields of
``TaskFinished`` that differ from their usual values."""
DeferredCancel = tuple[int, Callable[[Any], Record], DeferredStart, int, str]
"""Size, maker, start, time in ns since 1970, reason."""


def task_id(prefix: str, number: str | int) -> str:
    """Return a task's id: the given one, or one made of its number."""
    return number if isinstance(number, str) else f"{prefix}-{number:x}"


def start_record(start: DeferredStart) -> Record:
    """Make the record of a start."""
    _, _, prefix, number, agent_id, task_type, start_ns, estimate_s, context, link = start
    return _record(
        TaskStarted(
            agent_id=agent_id,
            task_id=task_id(prefix, number),
            task_type=task_type,
            started_at_ms=start_ns // NS_PER_MS,
            estimate_s=estimate_s,
            context=context,
            traceparent=link,
        )
    )


def end_record(end: DeferredEnd) -> Record:
    """Make the record of an end, which repeats the fields of its start."""
    _, _, start, end_ns, duration_ns, given = end
    _, _, prefix, number, agent_id, task_type, start_ns, estimate_s, context, link = start
    start_ms = start_ns // NS_PER_MS
    fields: dict[str, Any] = {
        # The wall clock may have been set back meanwhile.
        "finished_at_ms": max(end_ns // NS_PER_MS, start_ms),
        "duration_s": duration_ns / NS_PER_S,
        "succeeded": True,
        "context": context,
        "traceparent": link,
    }
    return _record(
        TaskFinished(
            agent_id=agent_id,
            task_id=task_id(prefix, number),
            task_type=task_type,
            started_at_ms=start_ms,
            estimate_s=estimate_s,
            **(fields | given if given else fields),
        )
    )


def cancel_record(cancel: DeferredCancel) -> Record:
    """Make the record of a cancellation."""
    _, _, start, at_ns, reason = cancel
    _, _, prefix, number, agent_id, _, start_ns, *_ = start
    return _record(
        TaskCancelled(
            agent_id=agent_id,
            task_id=task_id(prefix, number),
            cancelled_at_ms=max(at_ns, start_ns) // NS_PER_MS,
            reason=reason,
        )
    )


def event_record(deferred: tuple[int, TaskEvent]) -> Record:
    """Make the record of an event made elsewhere whose mappings were empty."""
    return _event_record(deferred[1], {}, {})


def copied_event_record(
    deferred: tuple[int, Callable[[Any], Record], TaskEvent, Values, Values],
) -> Record:
    """Make the record of an event made elsewhere, with the copies of its mappings."""
    _, _, event, context, outcome = deferred
    return _event_record(event, context, outcome)


def _event_record(event: TaskEvent, context: Values, outcome: Values) -> Record:
    # The event's own mappings may have been changed since they were checked, even empty ones.
    if type(event) is TaskFinished:
        event = msgspec.structs.replace(event, context=context, outcome=outcome)
    elif type(event) is TaskStarted:
        event = msgspec.structs.replace(event, context=context)
    return _record(event)


def _record(event: TaskEvent) -> Record:
    return Record(event.agent_id.encode(), codec.encode(event))
