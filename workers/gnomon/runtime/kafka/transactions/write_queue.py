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
    size_bytes: int = field(init=False)

    def __post_init__(self) -> None:
        """Add up the sizes of the batches."""
        self.size_bytes = sum(
            batch.size_bytes for of_partition in self.batches.values() for batch in of_partition
        )


class WriteQueue:
    """Writes in the order in which they came.

    A transaction has the writes of all partitions whose records were fetched together: it waits for
    those that are still folding, but no longer than a transaction has taken lately. So a partition that
    hangs or is slow delays the others by one transaction at most.
    """

    def __init__(self) -> None:
        self.transaction_s = FIRST_TRANSACTION_S
        self._writes: deque[Write] = deque()
        self._size_bytes = 0
        self._expected: set[int] = set()
        self._changed = asyncio.Event()

    def expect(self, partitions: Iterable[int]) -> None:
        """Note that records of these partitions were fetched, so that writes will follow."""
        self._expected.update(partitions)

    def add(self, write: Write) -> None:
        """Append a write."""
        self._writes.append(write)
        self._size_bytes += write.size_bytes
        self._expected.discard(write.owner.partition)
        self._changed.set()

    def observe(self, duration_s: float) -> None:
        """Note how long a transaction has taken."""
        self.transaction_s += _NEWEST * (duration_s - self.transaction_s)

    async def take(self) -> Sequence[Write]:
        """Remove and return the writes of the next transaction; waits until there are some."""
        clock_s = asyncio.get_running_loop().time
        while not self._writes:
            await self._wait(None)
        until_s = clock_s() + self.transaction_s
        while self._missing() and self._size_bytes < ENOUGH_BYTES:
            left_s = until_s - clock_s()
            if left_s <= 0:
                self._expected.clear()
                break
            await self._wait(left_s)
        taken = [self._pop()]
        size_bytes = taken[0].size_bytes
        while self._writes and size_bytes + self._writes[0].size_bytes <= MOST_BYTES:
            taken.append(self._pop())
            size_bytes += taken[-1].size_bytes
        return taken

    def _missing(self) -> bool:
        """Whether a partition has records to fold and no write in the queue."""
        return bool(self._expected) and bool(
            self._expected - {write.owner.partition for write in self._writes}
        )

    def _pop(self) -> Write:
        write = self._writes.popleft()
        self._size_bytes -= write.size_bytes
        return write

    async def _wait(self, within_s: float | None) -> None:
        self._changed.clear()
        try:
            async with asyncio.timeout(within_s):
                await self._changed.wait()
        except TimeoutError:
            return


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
