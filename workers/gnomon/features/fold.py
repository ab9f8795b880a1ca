"""Stage 1 as a fold: task events in log order in, feature vectors out.

Every start that is no repeat leads to one ``TaskFeatures``, from what was read of its agent before
it. At the end of the batch every agent it touched leads to one ``AgentFeatures``. A finish counts
once; one that is late (older than the agent's newest event time less the allowed lateness) stays
out of the window and is counted, and still enters the last runs, which are in order of arrival.
A start whose end has been read already is taken for a repeat. A cancelled task that finishes all
the same counts as finished. Repeats change nothing but the agent's newest event time.
"""

from collections.abc import Iterable

from gnomon import codec
from gnomon.errors import EventError
from gnomon.events import TaskFinished, TaskStarted
from gnomon.features.agent import Agent
from gnomon.features.config import (
    HOUR_MS,
    MEMORY_MS,
    FeaturesConfig,
)
from gnomon.features.decay import publish
from gnomon.features.state import FeaturesState
from gnomon.features.tasks import task_key
from gnomon.features.vector import task_features
from gnomon.records import DeadLetter, Keyed, Outputs, SourceRecord
from gnomon.topics import AGENT_FEATURES, TASK_FEATURES


def fold(
    state: FeaturesState, records: Iterable[SourceRecord], *, config: FeaturesConfig
) -> Outputs:
    """Take one batch of one partition into ``state``.

    Args:
        state: Changed in place.
        records: Of topic task-events, in log order.
        config: The disorder allowed.

    Returns:
        Records for task-features and agent-features, and those refused with the reasons of
        ``codec.refusal`` or ``clock_ahead``. A refused record changes nothing.
    """
    outputs = Outputs()
    vectors: list[Keyed] = []
    touched: dict[str, Agent] = {}
    kept_ms = HOUR_MS + config.max_lateness_ms
    ahead_ms = config.max_clock_ahead_ms
    read_task_event = codec.read_task_event
    for record in records:
        try:
            event = read_task_event(record, max_clock_ahead_ms=ahead_ms)
        except EventError as refused:
            outputs.dead.append(DeadLetter(record, refused.reason, refused.detail))
            continue
        agent_id, at_ms = event.agent_id, codec.event_time_ms(event)
        agent = _agent(state, agent_id, at_ms, record.timestamp)
        touched[agent_id] = agent
        kept_from_ms = agent.newest_ms - kept_ms
        if isinstance(event, TaskFinished):
            agent.finish(event, kept_from_ms)
        elif isinstance(event, TaskStarted):
            key = task_key(event.task_id)
            if not agent.knows(key, kept_from_ms):
                vector = task_features(
                    event, agent, kept_from_ms=kept_from_ms, seen_from_ms=state.seen_from_ms
                )
                vectors.append((agent_id.encode(), codec.encode(vector)))
                agent.start(key, at_ms, kept_from_ms)
        else:
            agent.cancel(event, kept_from_ms)
    if vectors:
        outputs.by_topic[TASK_FEATURES.name] = vectors
    if touched:
        outputs.by_topic[AGENT_FEATURES.name] = [
            publish(state, agent_id, agent, as_of_ms=agent.newest_ms)
            for agent_id, agent in touched.items()
        ]
    return outputs


def _agent(state: FeaturesState, agent_id: str, at_ms: int, timestamp_ms: int) -> Agent:
    """Find or begin the agent's memory, and move its clocks and the partition's on."""
    appended_ms = state.appended_ms
    if timestamp_ms > appended_ms:
        appended_ms = state.appended_ms = timestamp_ms
    agent = state.agents.get(agent_id)
    if agent is None or appended_ms - agent.appended_ms > MEMORY_MS:
        if state.seen_from_ms < 0:
            state.seen_from_ms = at_ms
        agent = Agent(newest_ms=at_ms, appended_ms=appended_ms)
        state.put(agent_id, agent)
        return agent
    agent.appended_ms = appended_ms
    agent.newest_ms = max(agent.newest_ms, at_ms)
    return agent
