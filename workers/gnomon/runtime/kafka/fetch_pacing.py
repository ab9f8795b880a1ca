"""How long a broker should wait for more records before it answers a fetch.

A transaction costs the broker milliseconds however few records it has. At a low rate each record is
fetched at once; at a high rate that would only make all records wait for the broker. All partitions of
a worker share its transactions, so the wait does not depend on how many there are.
"""

BUSY_PER_S = 250.0
INTERVAL_S = 0.5
"""The rate is measured over intervals of this length."""
IDLE_WAIT_MS = 500
"""How long a fetch waits at the broker when no records come."""


class FetchPacing:
    """Measures the rate of records of one consumer.

    Args:
        linger_ms: How long records wait under load.
    """

    def __init__(self, linger_ms: int) -> None:
        self._linger_ms = linger_ms
        self._busy = False
        self._since_s, self._records = 0.0, 0

    def observe(self, now_s: float, records: int) -> bool:
        """Count ``records`` that arrived at ``now_s`` (monotonic).

        Returns:
            Whether the rate of the last full interval was at least ``BUSY_PER_S``.
        """
        self._records += records
        elapsed_s = now_s - self._since_s
        if elapsed_s >= INTERVAL_S:
            self._busy = self._records >= BUSY_PER_S * elapsed_s
            self._since_s, self._records = now_s, 0
        return self._busy

    def wait_ms(self) -> int:
        """Return how long the broker should wait for more, by the last measured rate."""
        return self._linger_ms if self._busy else IDLE_WAIT_MS
