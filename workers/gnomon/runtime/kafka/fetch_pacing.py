"""Whether so much comes in that records should wait for one another, and for how long.

A transaction costs the broker milliseconds however few records it has. Where few come, each is
taken at once; where many come, taking them at once would only make all of them wait for the broker.
Each partition of a stage has transactions of its own, so with twice as many partitions records wait
twice as long, for the same number of transactions a second.
"""

BUSY_PER_S = 250.0
LOOK_EVERY_S = 0.5
IDLE_WAIT_MS = 500
"""How long a request for records stays at the broker where none come."""
MOST_WAIT_MS = 500


class FetchPacing:
    """Records a second of one consumer.

    Args:
        linger_ms: How long records wait for each partition there is.
    """

    def __init__(self, linger_ms: int) -> None:
        self._gather_ms = linger_ms
        self._busy = False
        self._since_s, self._records = 0.0, 0

    def busy(self, now_s: float, records: int) -> bool:
        """Count ``records`` that came in at ``now_s`` (monotonic); whether there are many."""
        self._records += records
        passed_s = now_s - self._since_s
        if passed_s >= LOOK_EVERY_S:
            self._busy = self._records >= BUSY_PER_S * passed_s
            self._since_s, self._records = now_s, 0
        return self._busy

    def wait_ms(self, partitions: int) -> int:
        """How long the broker should wait for more, as of the last look."""
        if not self._busy:
            return IDLE_WAIT_MS
        return min(self._gather_ms * max(1, partitions), MOST_WAIT_MS)
