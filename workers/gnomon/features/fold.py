"""The features stage as a fold: task events in log order in, feature records out.

Each start that is no repeat gives one ``TaskFeatures``, computed from what was read of its agent
before. At the end of a batch, each agent with an event in it gives one ``AgentFeatures``.

A finish counts once. A finish is late if it is older than the agent's newest event time less the
allowed lateness: it stays out of the window and is counted as late, but it enters the last runs,
which are in order of arrival. A start is taken for a repeat if the end of its task has been read.
A cancelled task that finishes nevertheless counts as finished. A repeat changes only the agent's
newest event time.

A record whose ``producer_id`` and ``seq`` were read before is skipped entirely: the numbers
identify the record, not the task, and are remembered for longer than the ends of tasks. A record
that an operator redrove is not skipped: perhaps no stage could process it the first time.
"""

import importlib
from collections.abc import Callable, Sequence
from typing import NamedTuple

from gnomon import codec
from gnomon.events import TaskEvent, TaskFinished, TaskStarted
from gnomon.features import implementation
from gnomon.features.config import HOUR_MS, MEMORY_MS, FeaturesConfig
from gnomon.features.decay import publish
from gnomon.features.memory.agent_memory import AgentMemory
from gnomon.features.state import FeaturesState
from gnomon.features.vector import task_features
from gnomon.records import REDRIVEN, DeadLetter, Keyed, Outputs, SourceRecord
from gnomon.topics import AGENT_FEATURES, TASK_FEATURES

Rows = tuple[list[Keyed], list[Keyed]]
"""Records for task-features and for agent-features."""
FoldEvents = Callable[
    [
        FeaturesState,
        Sequence[SourceRecord],
        Sequence[TaskEvent],
        FeaturesConfig,
        list[DeadLetter],
    ],
    Rows,
]


class Loops(NamedTuple):
    """The two loops over the events of a batch, in Python or compiled."""

    decode: codec.DecodeAll
    fold_events: FoldEvents


def fold(
    state: FeaturesState, records: Sequence[SourceRecord], *, config: FeaturesConfig
) -> Outputs:
    """Fold one batch of one partition into ``state``.

    Args:
        state: Changed in place.
        records: Records of topic task-events, in log order.
        config: The disorder allowed.

    Returns:
        Records for task-features and agent-features, and dead letters with the reasons of
        ``codec.refusal`` or ``clock_ahead``. A refused record changes no agent; if it can be
        decoded, it counts as read of its producer.
    """
    loops = _compiled if _compiled and state.memory is implementation.Agent else _PYTHON
    records, events, refused = codec.read_task_events(records, loops.decode)
    outputs = Outputs(dead=[DeadLetter(r, error.reason, error.detail) for r, error in refused])
    repeats = state.producers.mark_read(records, events)
    if repeats:
        records, events = _without(records, events, repeats)
    tasks, agents = loops.fold_events(state, records, events, config, outputs.dead)
    rows_of = {TASK_FEATURES.name: tasks, AGENT_FEATURES.name: agents}
    outputs.by_topic = {name: rows for name, rows in rows_of.items() if rows}
    return outputs


def _fold_events(
    state: FeaturesState,
    records: Sequence[SourceRecord],
    events: Sequence[TaskEvent],
    config: FeaturesConfig,
    dead: list[DeadLetter],
) -> Rows:
    """Fold the events of records that are no repeats; ``compiled/batch.pyx`` does it in C."""
    tasks: list[Keyed] = []
    touched: dict[str, AgentMemory] = {}
    retention_ms, max_ahead_ms = HOUR_MS + config.max_lateness_ms, config.max_clock_ahead_ms
    agents, appended_ms = state.agents, state.appended_ms
    # Inlined for speed, because this loop runs for every event.
    for record, event in zip(records, events, strict=True):
        if isinstance(event, TaskStarted):
            at_ms = event.started_at_ms
        elif isinstance(event, TaskFinished):
            at_ms = event.finished_at_ms
        else:
            at_ms = event.cancelled_at_ms
        timestamp_ms = record.timestamp
        if at_ms - timestamp_ms > max_ahead_ms:
            error = codec.clock_refusal(at_ms - timestamp_ms, max_ahead_ms)
            dead.append(DeadLetter(record, error.reason, error.detail))
            continue
        if timestamp_ms > appended_ms:
            appended_ms = state.appended_ms = timestamp_ms
        if state.torn:
            state.cover_from(at_ms, config.max_lateness_ms)
        agent_id = event.agent_id
        agent = agents.get(agent_id)
        if agent is None or appended_ms - agent.appended_ms > MEMORY_MS:
            agent = state.add_new(agent_id, newest_ms=at_ms, appended_ms=appended_ms)
        touched[agent_id] = agent
        if isinstance(event, TaskStarted):
            known = agent.start(event, appended_ms, retention_ms)
            if known is not None:
                covered_from_ms = max(state.covered_from_ms, agent.newest_ms - retention_ms)
                vector = task_features(event, known, covered_ms=at_ms - covered_from_ms)
                tasks.append((agent_id.encode(), codec.encode(vector)))
        elif isinstance(event, TaskFinished):
            agent.finish(event, appended_ms, retention_ms)
        else:
            agent.cancel(event, appended_ms, retention_ms)
    return tasks, [
        publish(state, agent_id, agent, as_of_ms=agent.newest_ms)
        for agent_id, agent in touched.items()
    ]


def _without(
    records: Sequence[SourceRecord], events: Sequence[TaskEvent], repeats: Sequence[int]
) -> tuple[Sequence[SourceRecord], Sequence[TaskEvent]]:
    """The batch without its repeats; records that were redriven stay."""
    dropped = {at for at in repeats if all(name != REDRIVEN for name, _ in records[at].headers)}
    kept = [at for at in range(len(records)) if at not in dropped]
    return [records[at] for at in kept], [events[at] for at in kept]


def _compiled_loops() -> Loops | None:
    if not implementation.COMPILED:
        return None
    try:
        events = importlib.import_module("gnomon.features.compiled.packedevents")
        batch = importlib.import_module("gnomon.features.compiled.batch")
    except ImportError:
        return None
    return Loops(events.decode, batch.fold_events)


_PYTHON = Loops(codec.decode_all, _fold_events)
_compiled = _compiled_loops()
