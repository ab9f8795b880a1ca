"""What an agent's features are last known to be, also when the agent says nothing more."""

from gnomon import codec
from gnomon.features.figures import AgentMemory
from gnomon.features.state import FeaturesState
from gnomon.features.vector import agent_features
from gnomon.records import Keyed, Outputs
from gnomon.topics import AGENT_FEATURES, CLIENT_STATS


def publish(state: FeaturesState, agent_id: str, agent: AgentMemory, *, as_of_ms: int) -> Keyed:
    """Write an agent's features down, and watch for when time alone will change them."""
    features = agent_features(
        agent_id,
        agent.now(as_of_ms),
        as_of_ms=as_of_ms,
        covered_ms=as_of_ms - state.seen_from_ms,
    )
    agent.shown = features.tasks_completed_1h + features.tasks_in_flight
    _watch(state, agent_id, agent, as_of_ms=as_of_ms)
    return agent_id.encode(), codec.encode(features)


def _watch(state: FeaturesState, agent_id: str, agent: AgentMemory, *, as_of_ms: int) -> None:
    decays_ms = agent.decays_at_ms(as_of_ms)
    if decays_ms >= 0:
        state.watch(agent_id, agent, decays_ms)


def tick(state: FeaturesState, now_ms: int) -> Outputs:
    """Let time pass: silent agents decay, down to zero, and what was read of clients is told.

    Costs in proportion to the agents something may have changed for in the minutes since the last
    tick. No later value depends on whether, or when, this was called.

    Args:
        state: Changed in place.
        now_ms: The partition's stream time, epoch ms, not below the newest event time read.

    Returns:
        For agent-features, each agent with fewer finishes in the hour, or fewer tasks in flight,
        than when last written; for client-stats, each producer of whom more was read since then.
    """
    outputs = Outputs()
    for agent_id, agent in state.decayed(now_ms):
        as_of_ms = max(now_ms, agent.newest_ms)
        if agent.shown == agent.counts(as_of_ms):
            _watch(state, agent_id, agent, as_of_ms=as_of_ms)
        else:
            decayed = publish(state, agent_id, agent, as_of_ms=as_of_ms)
            outputs.topic(AGENT_FEATURES.name).append(decayed)
    state.forget_silent()
    if told := state.producers.told(state.partition):
        outputs.by_topic[CLIENT_STATS.name] = told
    return outputs
