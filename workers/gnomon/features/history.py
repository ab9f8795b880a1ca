"""The last runs of one agent, whenever they were: of any task type, and of each.

A ring of runs is one array of integers: the sum of durations in ns, the number of successes, then
up to ``RUNS`` runs as ``duration_ns << 1 | succeeded`` in order of arrival.
"""

import sys
from array import array
from typing import Final

from gnomon.features.window import NS

RUNS: Final = 20
"""How many runs an average of the past looks back on."""
MAX_TYPES: Final = 64
"""Task types remembered of one agent; those finished longest ago are forgotten first."""
_HEAD = 2

Averages = tuple[int, float | None, float | None]
"""Runs, mean duration in seconds, success rate; ``None`` where there is no run."""
_NONE: Final[Averages] = (0, None, None)


def new_ring() -> "array[int]":
    """Make a ring that has seen no run."""
    return array("q", (0, 0))


def remember(ring: "array[int]", duration_ns: int, succeeded: bool) -> None:  # noqa: FBT001
    """Add one run; the one before the last ``RUNS`` is forgotten."""
    ring.append(duration_ns << 1 | succeeded)
    if len(ring) > RUNS + _HEAD:
        oldest = ring.pop(_HEAD)
        duration_ns -= oldest >> 1
        ring[1] -= oldest & 1
    ring[0] += duration_ns
    ring[1] += succeeded


def averages(ring: "array[int] | None") -> Averages:
    """Summarise one ring."""
    if ring is None:
        return _NONE
    n = len(ring) - _HEAD
    return (n, ring[0] / (n * NS), ring[1] / n) if n else _NONE


class History:
    """One agent's rings.

    Attributes:
        overall: The last runs of any type.
        by_type: The last runs of each task type, the type that finished last at the end.
    """

    __slots__ = ("by_type", "overall")

    def __init__(self) -> None:
        self.overall = new_ring()
        self.by_type: dict[str, array[int]] = {}

    def add(self, task_type: str, duration_ns: int, succeeded: bool) -> None:  # noqa: FBT001
        """Count one finished run in both."""
        remember(self.overall, duration_ns, succeeded)
        by_type = self.by_type
        ring = by_type.pop(task_type, None)
        if ring is None:
            ring = new_ring()
            # Interned, because many agents do tasks of the same few types.
            task_type = sys.intern(task_type)
            if len(by_type) >= MAX_TYPES:
                del by_type[next(iter(by_type))]
        by_type[task_type] = ring
        remember(ring, duration_ns, succeeded)
