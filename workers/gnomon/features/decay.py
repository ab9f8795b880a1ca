"""Publishes agents' features, also when only the passing of time has changed them."""

from gnomon import codec
from gnomon.features.memory.agent_memory import AgentMemory
from gnomon.features.state import FeaturesState
from gnomon.features.vector import agent_features
from gnomon.records import Keyed, Outputs
from gnomon.topics import AGENT_FEATURES, CLIENT_STATS


def publish(state: FeaturesState, agent_id: str, agent: AgentMemory, *, as_of_ms: int) -> Keyed:
    """Make an agent's record of agent-features, and schedule the check of when it decays."""
    features = agent_features(
        agent_id,
        agent.current(as_of_ms),
        as_of_ms=as_of_ms,
        covered_ms=state.covered_ms(as_of_ms),
    )
    agent.published_count = features.tasks_completed_1h + features.tasks_in_flight
    _schedule(state, agent_id, agent, as_of_ms=as_of_ms)
    return agent_id.encode(), codec.encode(features)


def _schedule(state: FeaturesState, agent_id: str, agent: AgentMemory, *, as_of_ms: int) -> None:
    decays_ms = agent.decays_at_ms(as_of_ms)
    if decays_ms >= 0:
        state.schedule_decay(agent_id, agent, decays_ms)


def tick(state: FeaturesState, now_ms: int) -> Outputs:
    """Advance the time: silent agents decay, down to zero, and client statistics are published.

    The cost is proportional to the number of agents whose check was due since the last tick. No
    later feature depends on whether, or when, this was called.

    Args:
        state: Changed in place.
        now_ms: The partition's stream time, epoch ms, not below the newest event time read.

    Returns:
        For agent-features, each agent with fewer finishes in the hour, or fewer tasks in flight,
        than in its last record; for client-stats, each producer with events read since its last.
    """
    outputs = Outputs()
    for agent_id, agent in state.pop_due(now_ms):
        as_of_ms = max(now_ms, agent.newest_ms)
        if agent.published_count == agent.current_count(as_of_ms):
            _schedule(state, agent_id, agent, as_of_ms=as_of_ms)
        else:
            decayed = publish(state, agent_id, agent, as_of_ms=as_of_ms)
            outputs.topic(AGENT_FEATURES.name).append(decayed)
    state.forget_silent()
    if changed := state.producers.report(state.partition):
        outputs.by_topic[CLIENT_STATS.name] = changed
    return outputs
