"""Spaces the periodic work of a worker's partitions, so that it takes no more time the more there are.

Ticks and snapshots are due by time for each partition. If each partition kept to its own period, a worker
with 100 partitions would do 100 times as much of them as a worker with one, all at the same moment.
"""

from typing import Final

SNAPSHOTS_A_PERIOD: Final = 10
"""Most snapshots in the period of one partition; with more partitions the period grows."""
TICKS_A_SECOND: Final = 8
"""Most ticks of all partitions; with more partitions the period of each grows."""
TICK_WORK_RATIO: Final = 10.0
"""Ticks of all partitions take one part of this many of a worker's time at most."""
LONGEST_WAIT_S: Final = 120.0
"""Due times that were given to partitions which are owned no more must not keep the others waiting."""


class Spacing:
    """Gives out the due times of one kind of work, for all partitions of a worker.

    Args:
        at_least_s: Time between two pieces of work.
        work_ratio: The time between two is also at least this many times as long as the last one took.
    """

    def __init__(self, *, at_least_s: float = 0.0, work_ratio: float = 0.0) -> None:
        self._at_least_s, self._work_ratio = at_least_s, work_ratio
        self._last_due_s = 0.0

    def next_due_s(self, now_s: float, *, every_s: float, took_s: float = 0.0) -> float:
        """Return when a partition should do the work next.

        Args:
            now_s: The time (monotonic).
            every_s: Period of the partition, if nothing else is to be done.
            took_s: How long the work took that the partition has just done.
        """
        spaced_s = self._last_due_s + max(self._at_least_s, self._work_ratio * took_s)
        self._last_due_s = min(max(now_s + every_s, spaced_s), now_s + every_s + LONGEST_WAIT_S)
        return self._last_due_s


class Schedule:
    """When the partitions of a worker tick and save their states.

    Args:
        snapshot_every_s: Seconds between two snapshots of a partition, if there are few partitions.
    """

    def __init__(self, *, snapshot_every_s: float) -> None:
        self._snapshot_every_s = snapshot_every_s
        self._snapshots = Spacing(at_least_s=snapshot_every_s / SNAPSHOTS_A_PERIOD)
        self._ticks = Spacing(at_least_s=1 / TICKS_A_SECOND, work_ratio=TICK_WORK_RATIO)

    def next_snapshot_s(self, now_s: float) -> float:
        """Return when a partition should save its state next."""
        return self._snapshots.next_due_s(now_s, every_s=self._snapshot_every_s)

    def next_tick_s(self, now_s: float, *, every_s: float, took_s: float = 0.0) -> float:
        """Return when a partition should tick next, if its last tick took ``took_s``."""
        return self._ticks.next_due_s(now_s, every_s=every_s, took_s=took_s)
