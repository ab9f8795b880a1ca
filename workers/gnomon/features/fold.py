"""Stage 1 as a fold: task events in log order in, feature vectors out.

Every start that is no repeat leads to one ``TaskFeatures``, from what was read of its agent before
it. At the end of the batch every agent it touched leads to one ``AgentFeatures``. A finish counts
once; one that is late (older than the agent's newest event time less the allowed lateness) stays
out of the window and is counted, and still enters the last runs, which are in order of arrival.
A start whose end has been read already is taken for a repeat. A cancelled task that finishes all
the same counts as finished. Repeats change nothing but the agent's newest event time.

What says which client process it comes from, and has been read before, is passed over entirely:
that is told for longer than the ends of tasks are, and by the record, not by the task. What an
operator sends again is not: it may be what no stage could process the first time.
"""

import importlib
from collections.abc import Callable, Sequence
from typing import NamedTuple

from gnomon import codec
from gnomon.events import TaskEvent, TaskFinished, TaskStarted
from gnomon.features import memory
from gnomon.features.config import HOUR_MS, MEMORY_MS, FeaturesConfig
from gnomon.features.decay import publish
from gnomon.features.figures import AgentMemory
from gnomon.features.state import FeaturesState
from gnomon.features.vector import task_features
from gnomon.records import REDRIVEN, DeadLetter, Keyed, Outputs, SourceRecord
from gnomon.topics import AGENT_FEATURES, TASK_FEATURES

Taken = tuple[list[Keyed], list[Keyed]]
"""Records for task-features and for agent-features."""
Take = Callable[
    [
        FeaturesState,
        Sequence[SourceRecord],
        Sequence[TaskEvent],
        FeaturesConfig,
        list[DeadLetter],
    ],
    Taken,
]


class Loop(NamedTuple):
    """What is done for every event there is, in Python or in C."""

    decode: codec.DecodeAll
    take: Take


def fold(
    state: FeaturesState, records: Sequence[SourceRecord], *, config: FeaturesConfig
) -> Outputs:
    """Take one batch of one partition into ``state``.

    Args:
        state: Changed in place.
        records: Of topic task-events, in log order.
        config: The disorder allowed.

    Returns:
        Records for task-features and agent-features, and those refused with the reasons of
        ``codec.refusal`` or ``clock_ahead``. A refused record changes nothing but, if it can be
        decoded, what is known to have been read of its producer.
    """
    loop = _compiled if _compiled and state.memory is memory.Agent else _PYTHON
    records, events, refused = codec.read_task_events(records, loop.decode)
    outputs = Outputs(dead=[DeadLetter(r, error.reason, error.detail) for r, error in refused])
    repeats = state.producers.take(records, events)
    if repeats:
        records, events = _without(records, events, repeats)
    vectors, shown = loop.take(state, records, events, config, outputs.dead)
    written = {TASK_FEATURES.name: vectors, AGENT_FEATURES.name: shown}
    outputs.by_topic = {name: rows for name, rows in written.items() if rows}
    return outputs


def _take(
    state: FeaturesState,
    records: Sequence[SourceRecord],
    events: Sequence[TaskEvent],
    config: FeaturesConfig,
    dead: list[DeadLetter],
) -> Taken:
    """Take in events that are no repeats of records: the definition of what ``batch`` does in C."""
    vectors: list[Keyed] = []
    touched: dict[str, AgentMemory] = {}
    kept_ms, max_ahead_ms = HOUR_MS + config.max_lateness_ms, config.max_clock_ahead_ms
    agents, appended_ms = state.agents, state.appended_ms
    # Written for speed, without a call where a comparison does: it runs for every event there is.
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
        agent_id = event.agent_id
        agent = agents.get(agent_id)
        if agent is None or appended_ms - agent.appended_ms > MEMORY_MS:
            agent = state.begin(agent_id, newest_ms=at_ms, appended_ms=appended_ms)
        touched[agent_id] = agent
        if isinstance(event, TaskStarted):
            known = agent.start(event, appended_ms, kept_ms)
            if known is not None:
                since_ms = max(state.seen_from_ms, agent.newest_ms - kept_ms)
                vector = task_features(event, known, covered_ms=at_ms - since_ms)
                vectors.append((agent_id.encode(), codec.encode(vector)))
        elif isinstance(event, TaskFinished):
            agent.finish(event, appended_ms, kept_ms)
        else:
            agent.cancel(event, appended_ms, kept_ms)
    return vectors, [
        publish(state, agent_id, agent, as_of_ms=agent.newest_ms)
        for agent_id, agent in touched.items()
    ]


def _without(
    records: Sequence[SourceRecord], events: Sequence[TaskEvent], repeats: Sequence[int]
) -> tuple[Sequence[SourceRecord], Sequence[TaskEvent]]:
    """What is left of the batch without its repeats; those sent again on purpose stay."""
    dropped = {at for at in repeats if all(name != REDRIVEN for name, _ in records[at].headers)}
    kept = [at for at in range(len(records)) if at not in dropped]
    return [records[at] for at in kept], [events[at] for at in kept]


def _loop() -> Loop | None:
    if not memory.COMPILED:
        return None
    try:
        events = importlib.import_module("gnomon.features.compiled.packedevents")
        batch = importlib.import_module("gnomon.features.compiled.batch")
    except ImportError:
        return None
    return Loop(events.decode, batch.take)


_PYTHON = Loop(codec.decode_all, _take)
_compiled = _loop()
