"""Load shedding: decides how many tasks to skip because too many wait."""


class LagBudget:
    """The lag up to which no task is shed.

    Shedding begins when more than ``records`` wait and ends when half as many wait, so that it does
    not switch back and forth at the limit.

    Args:
        records: The budget; 0 disables shedding.
    """

    def __init__(self, records: int) -> None:
        self._records = records
        self._over: set[int] = set()

    def excess(self, partition: int, waiting: int) -> int:
        """Return how many of the oldest of ``waiting`` records to skip."""
        if not self._records:
            return 0
        target = self._records // 2
        if waiting > self._records:
            self._over.add(partition)
        elif waiting <= target:
            self._over.discard(partition)
        return waiting - target if partition in self._over else 0

    @property
    def over(self) -> list[int]:
        """Partitions in which tasks are being shed."""
        return sorted(self._over)
