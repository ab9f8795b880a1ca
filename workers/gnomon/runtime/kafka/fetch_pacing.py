"""How long a worker waits before it fetches again, and how much it fetches of each partition.

A transaction costs the broker and the worker milliseconds however few records it has, and some more for each
batch, that is, for each partition that has any. So the wait follows the measured duration of transactions and
the number of batches of a fetch: records that come while a transaction is completed would only make another.

The worker waits, and not the broker: at each append to any partition, a broker counts again what all
partitions of the fetches that wait for it have, which takes more of its time than anything else when there
are many partitions.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any, TypeVar

Tp = TypeVar("Tp")

INTERVAL_S = 0.5
"""The rate is measured over intervals of this length."""
IDLE_WAIT_MS = 500
"""How long a fetch waits at the broker when no records come."""
TRANSACTIONS_WAIT = 4.0
"""Under load, records wait for as long as so many transactions take, so that transactions take at most a
fifth of the time; the rest is for folding, and for the other processes of the machine."""
BATCH_WAIT_S = 0.000_25
"""Under load, records also wait for so long for each batch of a fetch. A batch of few records takes about two
fifths of that of processor time, most of it in this worker, the rest in the brokers and in the workers that read."""
MAX_LINGER_MS = 80
"""Transactions that take longer do so because the machine is overloaded."""
_NEWEST = 0.1
"""Weight of the last fetch in the measured number of batches."""
BEHIND_RECORDS = 2_000
"""If so many records more wait in all partitions, the next fetch is not delayed: a worker that catches up has
enough records in each transaction. How many a fetch has, or how many wait in the partitions that it has, says
nothing: its size in bytes is limited, and with many partitions it has records of some of them."""
LEAST_PARTITION_BYTES = 64 << 10
"""Of less, a fetch would have too few records for what each partition of it costs."""
MOST_PARTITION_BYTES = 2 << 20
FETCHED_AT_ONCE_BYTES = 8 << 20
"""A worker that catches up handles about so much in one round of its partitions."""


def partition_bytes(response_bytes: int, partitions: int) -> int:
    """Return how many bytes of one partition a fetch may have, so that a response has some of all partitions.

    Otherwise a worker that catches up would handle hours of one partition, then those of the next. Stages
    after it would get events in another order than they happened, and rows that belong together by time
    would be written far apart.

    Args:
        response_bytes: Most bytes of a response.
        partitions: How many the worker has, of all topics.
    """
    fair = min(response_bytes, FETCHED_AT_ONCE_BYTES) // max(1, partitions)
    return max(LEAST_PARTITION_BYTES, min(MOST_PARTITION_BYTES, fair))


def waiting_records(next_offsets: Mapping[Tp, int], end_offsets: Mapping[Any, int | None]) -> int:
    """Return how many records wait in all partitions.

    Args:
        next_offsets: By partition, the offset after the last record that was handed on.
        end_offsets: Offset after the last record in the log, as last told, of the assigned partitions.
    """
    return sum(max(0, (end_offsets.get(tp) or 0) - offset) for tp, offset in next_offsets.items())


class FetchPacing:
    """Measures the rate of records of one consumer.

    Args:
        linger_ms: How long records wait under load at least.
        transaction_s: Returns how long transactions have taken lately.
    """

    def __init__(self, linger_ms: int, transaction_s: Callable[[], float]) -> None:
        self._linger_ms, self._transaction_s = linger_ms, transaction_s
        self._busy = self._is_behind = False
        self._since_s, self._records = 0.0, 0
        self._batches = 0.0

    def observe(self, now_s: float, records: int, *, batches: int = 1, left: int = 0) -> None:
        """Count ``records`` that arrived at ``now_s`` (monotonic).

        Args:
            now_s: The time (monotonic).
            records: How many arrived.
            batches: How many batches they are, one for each partition that has any.
            left: How many more wait in all partitions.
        """
        self._is_behind = left >= BEHIND_RECORDS
        self._records += records
        if records:
            self._batches += _NEWEST * (batches - self._batches)
        elapsed_s = now_s - self._since_s
        if elapsed_s >= INTERVAL_S:
            self._busy = self._records * self._transaction_s() >= elapsed_s
            self._since_s, self._records = now_s, 0

    def wait_s(self) -> float:
        """Return how long to wait before the next fetch.

        Nothing is waited for unless, in the last full interval, at least one record came in the time of a
        transaction.
        """
        if not self._busy or self._is_behind:
            return 0.0
        wanted_s = TRANSACTIONS_WAIT * self._transaction_s() + BATCH_WAIT_S * self._batches
        return max(self._linger_ms, min(MAX_LINGER_MS, 1000 * wanted_s)) / 1000

    def paced(
        self, fetch: Callable[..., Awaitable[Any]]
    ) -> Callable[..., Coroutine[Any, Any, bool]]:
        """Return ``fetch`` with the wait before it; if it is cancelled meanwhile, it returns ``False``."""

        async def fetch_later(*request: Any) -> bool:
            if wait_s := self.wait_s():
                try:
                    await asyncio.sleep(wait_s)
                except asyncio.CancelledError:  # as in aiokafka: the partitions are assigned anew
                    return False
            return bool(await fetch(*request))

        return fetch_later
