"""What a call of the agent's leaves in the buffer, and the records that are made of it later.

The tuples hold plain values that nobody changes any more, checked in the call; so their records
are made in the thread that delivers. Each begins with its size and its maker.
"""

from collections.abc import Callable
from typing import Any, Final

import msgspec

from gnomon import codec
from gnomon.client.delivery.buffer import Later, Record
from gnomon.events import ContextValue, TaskCancelled, TaskEvent, TaskFinished, TaskStarted

NS_PER_MS: Final = 1_000_000
NS_PER_S: Final = 1_000_000_000

Values = dict[str, ContextValue]
Begun = tuple[
    int, Callable[[Any], Record], str, str | int, str, str, int, float | None, Values, str | None
]
"""Size, maker, prefix of made ids, the task's id or the number that makes it, its agent, its type,
its start in nanoseconds since 1970, the agent's estimate in seconds, context, traceparent."""
Ended = tuple[int, Callable[[Any], Record], Begun, int, int, dict[str, Any] | None]
"""Size, maker, the start, the end in nanoseconds since 1970, what the clock says it took, and
fields of ``TaskFinished`` that are not as usual."""


def task_id(prefix: str, number: str | int) -> str:
    """The id of a task: one that was given, or one made of its number."""
    return number if isinstance(number, str) else f"{prefix}-{number:x}"


def started(begun: Begun) -> Record:
    """The record of a start."""
    _, _, prefix, number, agent_id, task_type, began_ns, estimate_s, context, link = begun
    return _record(
        TaskStarted(
            agent_id=agent_id,
            task_id=task_id(prefix, number),
            task_type=task_type,
            started_at_ms=began_ns // NS_PER_MS,
            estimate_s=estimate_s,
            context=context,
            traceparent=link,
        )
    )


def finished(ended: Ended) -> Record:
    """The record of an end, complete without its start's."""
    _, _, begun, ended_ns, took_ns, said = ended
    _, _, prefix, number, agent_id, task_type, began_ns, estimate_s, context, link = begun
    began_ms = began_ns // NS_PER_MS
    fields: dict[str, Any] = {
        # The wall clock may have been set back meanwhile.
        "finished_at_ms": max(ended_ns // NS_PER_MS, began_ms),
        "duration_s": took_ns / NS_PER_S,
        "succeeded": True,
        "context": context,
        "traceparent": link,
    }
    return _record(
        TaskFinished(
            agent_id=agent_id,
            task_id=task_id(prefix, number),
            task_type=task_type,
            started_at_ms=began_ms,
            estimate_s=estimate_s,
            **(fields | said if said else fields),
        )
    )


def cancelled(event: tuple[int, Callable[[Any], Record], Begun, int, str]) -> Record:
    """The record of a task's being cancelled."""
    _, _, begun, at_ns, reason = event
    _, _, prefix, number, agent_id, _, began_ns, *_ = begun
    return _record(
        TaskCancelled(
            agent_id=agent_id,
            task_id=task_id(prefix, number),
            cancelled_at_ms=max(at_ns, began_ns) // NS_PER_MS,
            reason=reason,
        )
    )


def given(later: tuple[int, Callable[[Any], Record], TaskEvent, Values, Values]) -> Record:
    """The record of an event made elsewhere, with the copies of its mappings.

    The event's own may have been changed since, also if they were empty.
    """
    _, _, event, context, outcome = later
    return _given(event, context, outcome)


def plain(later: tuple[int, TaskEvent]) -> Record:
    """The record of an event made elsewhere whose mappings were empty."""
    return _given(later[1], {}, {})


def _given(event: TaskEvent, context: Values, outcome: Values) -> Record:
    if type(event) is TaskFinished:
        event = msgspec.structs.replace(event, context=context, outcome=outcome)
    elif type(event) is TaskStarted:
        event = msgspec.structs.replace(event, context=context)
    return _record(event)


def _record(event: TaskEvent) -> Record:
    return Record(event.agent_id.encode(), codec.encode(event))


__all__ = [
    "Begun",
    "Ended",
    "Later",
    "cancelled",
    "finished",
    "given",
    "plain",
    "started",
    "task_id",
]
