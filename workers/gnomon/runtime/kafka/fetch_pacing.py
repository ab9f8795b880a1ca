"""How long a broker should wait for more records before it answers a fetch.

A transaction costs the broker and the worker milliseconds however few records it has, and more for each
partition that has any. So the wait follows the measured duration of transactions, and not the number of
partitions: records that come while a transaction is completed would only make another one.
"""

from collections.abc import Callable

INTERVAL_S = 0.5
"""The rate is measured over intervals of this length."""
IDLE_WAIT_MS = 500
"""How long a fetch waits at the broker when no records come."""
TRANSACTIONS_WAIT = 2.0
"""Under load, records wait for as long as so many transactions take: half of a worker's time is left for
folding, and for the other processes of the machine."""
MAX_LINGER_MS = 100
"""Transactions that take longer do so because the machine is overloaded."""


class FetchPacing:
    """Measures the rate of records of one consumer.

    Args:
        linger_ms: How long records wait under load at least.
        transaction_s: Returns how long transactions have taken lately.
    """

    def __init__(self, linger_ms: int, transaction_s: Callable[[], float]) -> None:
        self._linger_ms, self._transaction_s = linger_ms, transaction_s
        self._busy = False
        self._since_s, self._records = 0.0, 0

    def observe(self, now_s: float, records: int) -> bool:
        """Count ``records`` that arrived at ``now_s`` (monotonic).

        Returns:
            Whether in the last full interval at least one record came in the time of a transaction.
        """
        self._records += records
        elapsed_s = now_s - self._since_s
        if elapsed_s >= INTERVAL_S:
            self._busy = self._records * self._transaction_s() >= elapsed_s
            self._since_s, self._records = now_s, 0
        return self._busy

    def wait_ms(self) -> int:
        """Return how long the broker should wait for more, by the last measured rate."""
        if not self._busy:
            return IDLE_WAIT_MS
        wanted_ms = TRANSACTIONS_WAIT * self._transaction_s() * 1000
        return max(self._linger_ms, min(MAX_LINGER_MS, round(wanted_ms)))
