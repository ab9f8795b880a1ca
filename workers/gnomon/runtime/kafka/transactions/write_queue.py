"""Collects the writes of a worker's partitions until a transaction should begin."""

import asyncio
from collections import defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from aiokafka.structs import TopicPartition

from gnomon.runtime.kafka.transactions.output_batches import Batches
from gnomon.runtime.kafka.transactions.produce_requests import RecordBatch

ENOUGH_BYTES: Final = 512 << 10
"""A transaction with this much begins at once: waiting for more would not make it cheaper."""
MOST_BYTES: Final = 16 << 20
"""A transaction gets no further write after this many bytes; it bounds memory and requests."""
FIRST_TRANSACTION_S: Final = 0.01
"""Assumed duration of a transaction, until one was measured."""
_NEWEST: Final = 0.2
"""Weight of the last transaction in the measured duration."""


class Owner(Protocol):
    """The partition of a write, and whether it was given up since."""

    partition: int
    revoked: bool


@dataclass(eq=False, slots=True)
class Write:
    """What one partition wants to write. ``done`` has the result."""

    owner: Owner
    batches: Batches
    offsets: Mapping[TopicPartition, int]
    done: asyncio.Future[None]
    trace_id: str | None = None
    size_bytes: int = field(init=False)

    def __post_init__(self) -> None:
        """Add up the sizes of the batches."""
        self.size_bytes = sum(
            batch.size_bytes for of_partition in self.batches.values() for batch in of_partition
        )


class WriteQueue:
    """Writes in the order in which they came.

    A transaction has the writes of all partitions whose records were fetched together: it waits for
    those that are still folding, but no longer than a transaction has taken lately, or than records may
    linger. So a partition that hangs or is slow delays the others by that time at most.

    Args:
        linger_s: How long records may wait under load.
    """

    def __init__(self, linger_s: float = 0.0) -> None:
        self._linger_s = linger_s
        self.transaction_s = FIRST_TRANSACTION_S
        self._writes: deque[Write] = deque()
        self._size_bytes = 0
        self._expected: set[int] = set()
        self._queued: set[int] = set()
        """The partitions of ``_writes``. A partition may also be expected again: with its next records."""
        self._ready = asyncio.Event()
        self._collecting = False

    def expect(self, partitions: Iterable[int]) -> None:
        """Note that records of these partitions were fetched, so that writes will follow."""
        self._expected.update(partitions)

    def add(self, write: Write) -> None:
        """Append a write."""
        self._writes.append(write)
        self._queued.add(write.owner.partition)
        self._size_bytes += write.size_bytes
        self._expected.discard(write.owner.partition)
        # With many partitions, to wake up at each write would take longer than the transaction.
        if not self._collecting or self._is_complete():
            self._ready.set()

    def observe(self, duration_s: float) -> None:
        """Note how long a transaction has taken."""
        self.transaction_s += _NEWEST * (duration_s - self.transaction_s)

    async def take(self) -> Sequence[Write]:
        """Remove and return the writes of the next transaction; waits until there are some."""
        while not self._writes:
            await self._wait(None)
        self._collecting = True
        try:
            within_s = max(self.transaction_s, self._linger_s)
            if not self._is_complete() and not await self._wait(within_s):
                self._expected.clear()
        finally:
            self._collecting = False
        taken = [self._pop()]
        size_bytes = taken[0].size_bytes
        while self._writes and size_bytes + self._writes[0].size_bytes <= MOST_BYTES:
            taken.append(self._pop())
            size_bytes += taken[-1].size_bytes
        return taken

    def _is_complete(self) -> bool:
        """Whether the next transaction need not wait for the write of another partition."""
        return self._size_bytes >= ENOUGH_BYTES or self._expected <= self._queued

    def _pop(self) -> Write:
        write = self._writes.popleft()
        self._queued.discard(write.owner.partition)
        self._size_bytes -= write.size_bytes
        return write

    async def _wait(self, within_s: float | None) -> bool:
        """Wait until a transaction can begin; return false if the time has passed before."""
        self._ready.clear()
        try:
            async with asyncio.timeout(within_s):
                await self._ready.wait()
        except TimeoutError:
            return False
        return True


def merge(
    writes: Sequence[Write],
) -> tuple[Mapping[TopicPartition, list[RecordBatch]], Mapping[TopicPartition, int]]:
    """Return the batches and the offsets of all ``writes``."""
    batches: dict[TopicPartition, list[RecordBatch]] = defaultdict(list)
    offsets: dict[TopicPartition, int] = {}
    for write in writes:
        for tp, of_partition in write.batches.items():
            batches[tp] += of_partition
        offsets |= write.offsets
    return batches, offsets


def fail(writes: Sequence[Write], error: Exception) -> None:
    """Give ``error`` to those of ``writes`` that have no result yet."""
    for write in writes:
        if not write.done.done():
            write.done.set_exception(error)
