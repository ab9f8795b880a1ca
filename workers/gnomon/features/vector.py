"""Builds the records of task-features and agent-features from an agent's features."""

from operator import attrgetter
from typing import Final

from gnomon.events import AgentFeatures, Completeness, HourFeatures, TaskFeatures, TaskStarted
from gnomon.features.config import HOUR_MS
from gnomon.features.memory.agent_memory import CurrentFeatures, StartFeatures

_COMPLETE: Final = Completeness(hour_seen=1.0, late_dropped=0)
_HOUR: Final = HourFeatures.__struct_fields__
_hour_values: Final = attrgetter(*_HOUR)


def _completeness(covered_ms: int, late_dropped: int) -> Completeness:
    """``covered_ms`` is how long before the instant the coverage began; it may be negative."""
    if covered_ms >= HOUR_MS:
        return Completeness(hour_seen=1.0, late_dropped=late_dropped) if late_dropped else _COMPLETE
    return Completeness(hour_seen=max(0, covered_ms) / HOUR_MS, late_dropped=late_dropped)


def task_features(event: TaskStarted, known: StartFeatures, *, covered_ms: int) -> TaskFeatures:
    """Build the record of a started task."""
    return TaskFeatures(
        agent_id=event.agent_id,
        task_id=event.task_id,
        task_type=event.task_type,
        started_at_ms=event.started_at_ms,
        features=known.vector,
        completeness=_completeness(covered_ms, known.late_dropped),
        estimate_s=event.estimate_s,
        context=event.context,
        sealed_context=event.sealed_context,
        traceparent=event.traceparent,
    )


def agent_features(
    agent_id: str, known: CurrentFeatures, *, as_of_ms: int, covered_ms: int
) -> AgentFeatures:
    """Build the record of an agent at an instant."""
    return AgentFeatures(
        agent_id=agent_id,
        as_of_ms=as_of_ms,
        **dict(zip(_HOUR, _hour_values(known.hour), strict=True)),
        last_finished_at_ms=known.last_finished_at_ms,
        completeness=_completeness(covered_ms, known.late_dropped),
    )
