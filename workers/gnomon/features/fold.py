"""Stage 1 as a fold: task events in log order in, feature vectors out.

Every start that is no repeat leads to one ``TaskFeatures``, from what was read of its agent before
it. At the end of the batch every agent it touched leads to one ``AgentFeatures``. A finish counts
once; one that is late (older than the agent's newest event time less the allowed lateness) stays
out of the window and is counted, and still enters the last runs, which are in order of arrival.
A start whose end has been read already is taken for a repeat. A cancelled task that finishes all
the same counts as finished. Repeats change nothing but the agent's newest event time.
"""

from collections.abc import Iterator, Sequence

from gnomon import codec
from gnomon.errors import EventError
from gnomon.events import TaskEvent, TaskFinished, TaskStarted
from gnomon.features.config import HOUR_MS, MEMORY_MS, FeaturesConfig
from gnomon.features.decay import publish
from gnomon.features.figures import AgentMemory
from gnomon.features.state import FeaturesState
from gnomon.features.vector import task_features
from gnomon.records import DeadLetter, Keyed, Outputs, SourceRecord
from gnomon.topics import AGENT_FEATURES, TASK_FEATURES


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
        ``codec.refusal`` or ``clock_ahead``. A refused record changes nothing.
    """
    outputs = Outputs()
    vectors: list[Keyed] = []
    touched: dict[str, AgentMemory] = {}
    kept_ms = HOUR_MS + config.max_lateness_ms
    agents = state.agents
    for event, at_ms, timestamp_ms in _believed(records, config.max_clock_ahead_ms, outputs.dead):
        appended_ms = state.appended_ms = max(state.appended_ms, timestamp_ms)
        agent_id = event.agent_id
        agent = agents.get(agent_id)
        if agent is None or appended_ms - agent.appended_ms > MEMORY_MS:
            agent = state.begin(agent_id, newest_ms=at_ms, appended_ms=appended_ms)
        agent.appended_ms = appended_ms
        touched[agent_id] = agent
        if isinstance(event, TaskFinished):
            agent.finish(event, kept_ms)
        elif isinstance(event, TaskStarted):
            known = agent.start(event, kept_ms)
            if known is not None:
                since_ms = max(state.seen_from_ms, agent.newest_ms - kept_ms)
                vector = task_features(event, known, covered_ms=at_ms - since_ms)
                vectors.append((agent_id.encode(), codec.encode(vector)))
        else:
            agent.cancel(event, kept_ms)
    if vectors:
        outputs.by_topic[TASK_FEATURES.name] = vectors
    if touched:
        outputs.by_topic[AGENT_FEATURES.name] = [
            publish(state, agent_id, agent, as_of_ms=agent.newest_ms)
            for agent_id, agent in touched.items()
        ]
    return outputs


def _believed(
    records: Sequence[SourceRecord], max_ahead_ms: int, dead: list[DeadLetter]
) -> Iterator[tuple[TaskEvent, int, int]]:
    """Each event with its time and its record's; what is refused goes to ``dead``."""
    event_time_ms = codec.event_time_ms
    for record, event in zip(records, codec.read_task_events(records), strict=True):
        if isinstance(event, EventError):
            dead.append(DeadLetter(record, event.reason, event.detail))
            continue
        at_ms, timestamp_ms = event_time_ms(event), record.timestamp
        if at_ms - timestamp_ms > max_ahead_ms:
            refused = codec.clock_refusal(at_ms - timestamp_ms, max_ahead_ms)
            dead.append(DeadLetter(record, refused.reason, refused.detail))
            continue
        yield event, at_ms, timestamp_ms
