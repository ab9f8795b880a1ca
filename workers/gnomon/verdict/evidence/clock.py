"""An agent's newest time, and its decisions that are not mature by then."""

from bisect import bisect_left, insort

import msgspec

from gnomon.verdict.evidence.decided import Decided


class AgentClock(msgspec.Struct, array_like=True):
    """The latest time in an agent's decisions, and its decisions that are not mature, by their start."""

    newest_ms: int = 0
    waiting: list[Decided] = []

    def wait_for(self, decided: Decided) -> None:
        """Keep a decision until it is mature."""
        insort(self.waiting, decided, key=_start)

    def take_mature(self, mature_after_ms: int) -> list[Decided]:
        """Take the decisions that began at least so long before the agent's newest time."""
        latest_ms = self.newest_ms - mature_after_ms
        mature = bisect_left(self.waiting, (latest_ms + 1, ""), key=_start)
        found = self.waiting[:mature]
        del self.waiting[:mature]
        return found


def _start(decided: Decided) -> tuple[int, str]:
    return decided.started_at_ms, decided.decision_id
