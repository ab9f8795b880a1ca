"""The last runs of one agent, whenever they were: of any task type, and of each.

A ring of runs is one array of integers: up to ``RUNS`` runs, in order of arrival, behind their sum.
A run is ``duration_ns << 5 | succeeded``, so one sum adds up both.
"""

import sys
from array import array
from typing import Final

from gnomon.features.figures import Averages
from gnomon.features.window import NS

RUNS: Final = 20
"""How many runs an average of the past looks back on."""
MAX_TYPES: Final = 1024
"""Task types remembered of one agent."""
_SHIFT: Final = 5
_SUCCEEDED: Final = (1 << _SHIFT) - 1

_NONE: Final[Averages] = (0, None, None)


def new_ring() -> "array[int]":
    """Make a ring that has seen no run."""
    return array("q", (0,))


def averages(ring: "array[int] | None") -> Averages:
    """Summarise one ring."""
    if ring is None:
        return _NONE
    n = len(ring) - 1
    return (n, (ring[0] >> _SHIFT) / (n * NS), (ring[0] & _SUCCEEDED) / n) if n else _NONE


class History:
    """One agent's rings.

    Attributes:
        overall: The last runs of any type.
        by_type: The last runs of each task type. Once there are ``MAX_TYPES``, a type that
            finishes goes to the end, and a new one takes the place of the first.
    """

    __slots__ = ("by_type", "overall")

    def __init__(self) -> None:
        self.overall = new_ring()
        self.by_type: dict[str, array[int]] = {}

    def add(self, task_type: str, duration_ns: int, succeeded: bool) -> None:  # noqa: FBT001
        """Count one finished run, of less than 2**53 ns, in both rings it belongs to."""
        run = duration_ns << _SHIFT | succeeded
        same_type = self.by_type.get(task_type)
        if same_type is None or len(self.by_type) >= MAX_TYPES:
            same_type = self._move_to_end(task_type)
        for ring in (self.overall, same_type):
            if len(ring) > RUNS:
                ring[0] += run - ring.pop(1)
            else:
                ring[0] += run
            ring.append(run)

    def _move_to_end(self, task_type: str) -> "array[int]":
        by_type = self.by_type
        ring = by_type.pop(task_type, None)
        if ring is None:
            ring = new_ring()
            if len(by_type) >= MAX_TYPES:
                del by_type[next(iter(by_type))]
        # Interned, because many agents do tasks of the same few types.
        by_type[sys.intern(task_type)] = ring
        return ring
