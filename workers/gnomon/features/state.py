"""All that stage 1 remembers of one partition."""

from gnomon.features.config import MEMORY_MS
from gnomon.features.figures import AgentMemory
from gnomon.features.memory import Agent
from gnomon.features.producers import Producers

MINUTE_MS = 60_000
_DAY_MS = 86_400_000


class FeaturesState:
    """The agents of one partition, and when to look at them again.

    Attributes:
        memory: What remembers an agent.
        agents: By agent id.
        seen_from_ms: Event time of the first record that was taken in; -1 before it.
        appended_ms: Newest append time read.
        partition: Its number.
        producers: What was read of each client process.
    """

    __slots__ = (
        "_decays", "_silent", "agents", "appended_ms", "memory", "partition", "producers",
        "seen_from_ms",
    )  # fmt: skip

    def __init__(self, memory: type[AgentMemory] = Agent, *, partition: int = 0) -> None:
        self.partition = partition
        self.memory = memory
        self.agents: dict[str, AgentMemory] = {}
        self.producers = Producers()
        self.seen_from_ms = -1
        self.appended_ms = 0
        self._decays: dict[int, list[str]] = {}
        self._silent: dict[int, list[str]] = {}

    def begin(self, agent_id: str, *, newest_ms: int, appended_ms: int) -> AgentMemory:
        """Take in an agent that nothing is known of, or no more."""
        if self.seen_from_ms < 0:
            self.seen_from_ms = newest_ms
        agent = self.memory(newest_ms, appended_ms)
        self.put(agent_id, agent)
        return agent

    def put(self, agent_id: str, agent: AgentMemory) -> None:
        """Take in an agent, in place of one that was forgotten; it may be a restored one."""
        if agent_id not in self.agents:
            self._silent.setdefault(agent.appended_ms // _DAY_MS, []).append(agent_id)
        self.agents[agent_id] = agent
        if agent.due_minute >= 0:
            self._decays.setdefault(agent.due_minute, []).append(agent_id)

    def watch(self, agent_id: str, agent: AgentMemory, decays_at_ms: int) -> None:
        """Let ``decayed`` name the agent from ``decays_at_ms`` on, unless it will sooner."""
        minute = decays_at_ms // MINUTE_MS
        if agent.due_minute < 0 or minute < agent.due_minute:
            agent.due_minute = minute
            self._decays.setdefault(minute, []).append(agent_id)

    def decayed(self, now_ms: int) -> list[tuple[str, AgentMemory]]:
        """Take the agents whose minute has come off the watch."""
        decays = self._decays
        found = []
        for minute in sorted(m for m in decays if m * MINUTE_MS <= now_ms):
            for agent_id in decays.pop(minute):
                agent = self.agents.get(agent_id)
                if agent is not None and agent.due_minute == minute:
                    agent.due_minute = -1
                    found.append((agent_id, agent))
        return found

    def forget_silent(self) -> None:
        """Drop the agents of which nothing was read for ``MEMORY_MS`` of append time.

        By the log's own clock, so that it makes no difference when, or if, this is called: the
        fold treats such an agent as new all the same.
        """
        newest_ms = self.appended_ms - MEMORY_MS
        for day in [d for d in self._silent if (d + 1) * _DAY_MS <= newest_ms]:
            for agent_id in self._silent.pop(day):
                agent = self.agents[agent_id]
                if agent.appended_ms < newest_ms:
                    del self.agents[agent_id]
                else:
                    self._silent.setdefault(agent.appended_ms // _DAY_MS, []).append(agent_id)
