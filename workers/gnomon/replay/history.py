"""Turns recorded runs into decisions with the features that the features stage computes. Pure, no I/O."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from gnomon import codec
from gnomon.comparison.identity import decision_id
from gnomon.events import Comparison, Outcome, TaskFeatures, TaskFinished
from gnomon.features import FeaturesConfig, FeaturesState, fold
from gnomon.records import Headers
from gnomon.replay.plan import in_event_time_order
from gnomon.replay.source import Run
from gnomon.topics import TASK_EVENTS, TASK_FEATURES

_BATCH: Final = 8192


@dataclass(frozen=True, slots=True)
class _Record:
    """A record of task-events in memory."""

    offset: int
    timestamp: int
    key: bytes
    value: bytes
    topic: str = TASK_EVENTS.name
    partition: int = 0
    headers: Headers = ()


def decisions_of(runs: Sequence[Run], *, config: FeaturesConfig) -> list[Comparison]:
    """Return a decision without predictions for each finished run, by the time of its end.

    The features are what the features stage computes from the events in the order of their times, if
    all agents are in one partition.

    Args:
        runs: In any order. The decision on a run without an end is not part of the result.
        config: The disorder that the features stage allows.
    """
    finished = [run for run in runs if run.finished is not None]
    known = {(task.agent_id, task.task_id): task for task in _vectors(runs, config)}
    decisions = [
        _decision(known[run.started.agent_id, run.started.task_id], run.finished)
        for run in finished
        if run.finished is not None
    ]
    return sorted(decisions, key=lambda decision: (decision.outcome.at_ms, decision.decision_id))


def _vectors(runs: Sequence[Run], config: FeaturesConfig) -> Iterator[TaskFeatures]:
    events = in_event_time_order(runs)
    # As in a replay through Kafka, all records are appended after the last event.
    appended_ms = max(map(codec.event_time_ms, events), default=0)
    state = FeaturesState()
    for at in range(0, len(events), _BATCH):
        records = [
            _Record(at + index, appended_ms, event.agent_id.encode(), codec.encode(event))
            for index, event in enumerate(events[at : at + _BATCH])
        ]
        outputs = fold(state, records, config=config)
        for _, value in outputs.topic(TASK_FEATURES.name):
            yield codec.decode_task_features(value or b"")


def _decision(task: TaskFeatures, finished: TaskFinished) -> Comparison:
    return Comparison(
        decision_id=decision_id(task.agent_id, task.task_id),
        agent_id=task.agent_id,
        task_id=task.task_id,
        task_type=task.task_type,
        started_at_ms=task.started_at_ms,
        features=task.features,
        completeness=task.completeness,
        predictions=[],
        outcome=Outcome(
            status="matched",
            at_ms=finished.finished_at_ms,
            duration_s=finished.duration_s,
            succeeded=finished.succeeded,
            code_review_iterations=finished.code_review_iterations,
            deployment_succeeded=finished.deployment_succeeded,
            error_type=finished.error_type,
            reported=finished.outcome,
        ),
        estimate_s=task.estimate_s,
        context=task.context,
    )
