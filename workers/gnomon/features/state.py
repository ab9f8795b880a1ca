"""The state of the features stage for one partition."""

from gnomon.features.config import MEMORY_MS
from gnomon.features.implementation import Agent
from gnomon.features.memory.agent_memory import AgentMemory
from gnomon.features.memory.columns import TIMES_END_MS
from gnomon.features.producers import Producers

MINUTE_MS = 60_000
_DAY_MS = 86_400_000


class FeaturesState:
    """The agents of one partition, and when the features of each may decay.

    Attributes:
        memory: The implementation of an agent's memory.
        agents: The agents by agent id.
        covered_from_ms: Event time since when all records were folded; -1 before the first record and the
            first gap.
        torn: Whether that time begins with the next record.
        appended_ms: Newest append time read.
        partition: Number of the partition.
        producers: The client processes whose events were read.
    """

    __slots__ = (
        "_decays", "_silent", "agents", "appended_ms", "covered_from_ms", "memory", "partition",
        "producers", "torn",
    )  # fmt: skip

    def __init__(self, memory: type[AgentMemory] = Agent, *, partition: int = 0) -> None:
        self.partition = partition
        self.memory = memory
        self.agents: dict[str, AgentMemory] = {}
        self.producers = Producers()
        self.covered_from_ms, self.torn = -1, True
        self.appended_ms = 0
        self._decays: dict[int, list[str]] = {}
        self._silent: dict[int, list[str]] = {}

    def covered_ms(self, as_of_ms: int) -> int:
        """Return for how long before an instant all records were folded; it may be negative."""
        return 0 if self.torn else as_of_ms - self.covered_from_ms

    def note_gap(self) -> None:
        """Note that records before the next one were never read.

        What was read stays, the tasks in flight too, by which repeats of their starts are known.
        Those that ended in the gap stay in flight for as long as tasks that never end.
        """
        self.torn = True
        newest_ms = max((agent.newest_ms for agent in self.agents.values()), default=0)
        self.covered_from_ms = max(self.covered_from_ms, newest_ms)

    def cover_from(self, at_ms: int, max_lateness_ms: int) -> None:
        """Note that a record has come after which none is missing.

        Events of a gap before it may be as much newer as events may be late. Before the first record of
        all there was nothing to miss.
        """
        if self.covered_from_ms >= 0:
            at_ms = min(at_ms + max_lateness_ms, TIMES_END_MS - 1)
        self.covered_from_ms, self.torn = max(self.covered_from_ms, at_ms), False

    def add_new(self, agent_id: str, *, newest_ms: int, appended_ms: int) -> AgentMemory:
        """Add an agent that is new, or that was forgotten."""
        agent = self.memory(newest_ms, appended_ms)
        self.add(agent_id, agent)
        return agent

    def add(self, agent_id: str, agent: AgentMemory) -> None:
        """Add an agent, new or restored; it replaces a forgotten agent of the same id."""
        if agent_id not in self.agents:
            self._silent.setdefault(agent.appended_ms // _DAY_MS, []).append(agent_id)
        self.agents[agent_id] = agent
        if agent.due_minute >= 0:
            self._decays.setdefault(agent.due_minute, []).append(agent_id)

    def schedule_decay(self, agent_id: str, agent: AgentMemory, decays_at_ms: int) -> None:
        """Let ``pop_due`` return the agent from ``decays_at_ms`` on, if not earlier."""
        minute = decays_at_ms // MINUTE_MS
        if agent.due_minute < 0 or minute < agent.due_minute:
            agent.due_minute = minute
            self._decays.setdefault(minute, []).append(agent_id)

    def pop_due(self, now_ms: int) -> list[tuple[str, AgentMemory]]:
        """Remove and return the agents whose check is due by ``now_ms``."""
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

        It makes no difference when, or if, this is called: the fold treats such an agent as new
        in any case.
        """
        newest_ms = self.appended_ms - MEMORY_MS
        for day in [d for d in self._silent if (d + 1) * _DAY_MS <= newest_ms]:
            for agent_id in self._silent.pop(day):
                agent = self.agents[agent_id]
                if agent.appended_ms < newest_ms:
                    del self.agents[agent_id]
                else:
                    self._silent.setdefault(agent.appended_ms // _DAY_MS, []).append(agent_id)
