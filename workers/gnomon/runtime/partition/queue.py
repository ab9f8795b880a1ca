"""The queue of fetched batches of one partition: bounded, ordered, and checked for gaps."""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import cast

from gnomon.errors import LostRecordsError
from gnomon.records import SourceRecord
from gnomon.runtime.kafka.batch import Batch

PAUSE_AFTER_S = 1.0
"""All partitions of a worker wait while one queue is full; a queue that stays full is paused instead."""


class PartitionQueue:
    """Batches between the consumer and the worker of one partition.

    Attributes:
        records: How many records wait.
        closed: Whether the queue refuses everything from now on.

    Args:
        max_records: ``put`` waits while at least this many records wait.
        set_paused: Called with ``True`` when the queue has stayed full, so that no more is fetched
            for this partition, and with ``False`` when it has room again.
    """

    def __init__(self, *, max_records: int, set_paused: Callable[[bool], None]) -> None:
        self.records = 0
        self.closed = False
        self._max_records, self._set_paused = max_records, set_paused
        self._paused = False
        self._batches: deque[Batch] = deque()
        self._epoch = 0
        self._has_news = False
        # A bare future: an event would need a task and a timeout for each batch of each partition.
        self._waiting: asyncio.Future[None] | None = None
        self._room = asyncio.Event()
        self._room.set()

    async def put(self, batch: Batch) -> None:
        """Append a fetched batch; waits for room, for ``PAUSE_AFTER_S`` at most."""
        epoch = self._epoch
        if not self._paused and not self._room.is_set() and not await self._wait_for_room():
            self._paused = True
            self._set_paused(self._paused)
        if self.closed or self._epoch != epoch:
            return  # the batches before it were dropped, so all of them are fetched again
        self._batches.append(batch)
        self.records += len(batch.records)
        if self.records >= self._max_records:
            self._room.clear()
        self.notify()

    def clear(self) -> None:
        """Drop the batches that wait, and those whose ``put`` waits: they are fetched again."""
        self._epoch += 1
        self._batches.clear()
        self._paused = False  # after a rebalance every partition is fetched
        self._mark_empty()

    def close(self) -> None:
        """Drop everything, now and from now on."""
        self.closed = True
        self.clear()
        self.notify()

    def notify(self) -> None:
        """End the current ``wait``, or the next one."""
        self._has_news = True
        if self._waiting is not None:
            _resolve(self._waiting)

    async def wait(self, timeout_s: float | None) -> None:
        """Return when a batch has arrived, ``close`` or ``notify`` was called, or ``timeout_s`` has passed."""
        if not self._has_news:
            loop = asyncio.get_running_loop()
            self._waiting = loop.create_future()
            timer = None
            if timeout_s is not None:
                timer = loop.call_later(timeout_s, _resolve, self._waiting)
            try:
                await self._waiting
            finally:
                if timer is not None:
                    timer.cancel()
        self._has_news = False

    def take(self, offsets: Mapping[str, int], *, partition: int) -> Sequence[SourceRecord]:
        """Remove and return all records that wait, without those before ``offsets``.

        Args:
            offsets: Next offset to process, by full topic name.
            partition: For the error message.

        Raises:
            LostRecordsError: A batch starts after the next offset to process.
        """
        taken: list[SourceRecord] = []
        next_offsets = dict(offsets)
        while self._batches:
            batch = self._batches.popleft()
            records, next_offset = batch.records, next_offsets[batch.topic]
            if batch.start > next_offset:
                raise LostRecordsError(
                    f"{batch.topic}[{partition}]: read from {batch.start}, expected {next_offset}"
                )
            if records[0].offset < next_offset:
                records = [record for record in records if record.offset >= next_offset]
            if records:
                if taken:
                    taken += records
                else:
                    taken = cast("list[SourceRecord]", records)  # owned by nothing else now
                next_offsets[batch.topic] = records[-1].offset + 1
        self._mark_empty()
        if self._paused:
            self._paused = False
            self._set_paused(self._paused)
        return taken

    async def _wait_for_room(self) -> bool:
        try:
            async with asyncio.timeout(PAUSE_AFTER_S):
                await self._room.wait()
        except TimeoutError:
            return False
        return True

    def _mark_empty(self) -> None:
        self.records = 0
        self._room.set()


def _resolve(waiting: asyncio.Future[None]) -> None:
    if not waiting.done():
        waiting.set_result(None)
