"""When to pass tasks over because there are too many: begins late, ends early, says how many."""


class LagBudget:
    """How far behind a partition may be.

    Shedding begins when more than ``records`` wait and ends when half as many do, so it does not
    flicker at the limit.

    Args:
        records: The budget; 0 means that nothing is ever shed.
    """

    def __init__(self, records: int) -> None:
        self._records = records
        self._over: set[int] = set()

    def excess(self, partition: int, waiting: int) -> int:
        """How many of the oldest of the ``waiting`` records to pass over."""
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
        """Partitions in which tasks are being passed over."""
        return sorted(self._over)
