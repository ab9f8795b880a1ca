"""Counts how many durations lay inside the intervals that a model predicted."""

import math
from collections.abc import Mapping
from typing import Final, NamedTuple

from gnomon.verdict.report.rolling import Rolling

ENOUGH: Final = 30
"""An agent with fewer tasks is not looked at when the worst is sought."""


class Coverage(NamedTuple):
    """Coverage of one level.

    Attributes:
        tasks: Number of tasks with an interval; ``inside`` of these lay in it.
        worst_agent: The agent with the smallest share, among those with ``ENOUGH`` tasks, and its share.
        factor: Geometric mean of (high + 1) / (low + 1): how far apart the ends typically are.
    """

    level: str
    tasks: int
    inside: int
    worst_agent: tuple[str, float] | None
    factor: float
    rolling: Rolling


class Covered:
    """Collects the coverage of one level."""

    def __init__(self) -> None:
        self.rolling = Rolling()
        self._tasks = self._inside = 0
        self._log_width = 0.0
        self._agents: dict[str, list[int]] = {}

    def add(self, agent_id: str, at_ms: int, ends_s: tuple[float, float], actual_s: float) -> None:
        """Add one task; both ends belong to the interval."""
        low_s, high_s = ends_s
        inside = low_s <= actual_s <= high_s
        self._tasks += 1
        self._inside += inside
        self._log_width += math.log1p(high_s) - math.log1p(low_s)
        counts = self._agents.setdefault(agent_id, [0, 0])
        counts[0] += 1
        counts[1] += inside
        self.rolling.add(at_ms, float(inside))

    def coverage(self, level: str) -> Coverage:
        """Return what was found; at least one task must have been added."""
        shares = {agent: k / n for agent, (n, k) in self._agents.items() if n >= ENOUGH}
        worst = min(shares.items(), key=lambda pair: (pair[1], pair[0]), default=None)
        factor = math.exp(min(self._log_width / self._tasks, 700.0))
        return Coverage(level, self._tasks, self._inside, worst, factor, self.rolling)


def coverages(by_level: Mapping[str, Covered]) -> list[Coverage]:
    """Return the coverage of each level, the narrowest interval first."""
    return [by_level[level].coverage(level) for level in sorted(by_level, key=_order)]


def _order(level: str) -> tuple[int, str]:
    return (int(level) if level.isascii() and level.isdecimal() else 1_000, level)
