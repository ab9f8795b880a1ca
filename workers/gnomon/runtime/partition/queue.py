"""Batches handed over and not yet begun, for one partition: bounded, in order, without gaps."""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import cast

from gnomon.errors import LostRecordsError
from gnomon.records import SourceRecord
from gnomon.runtime.kafka.batch import Batch

PAUSE_AFTER_S = 1.0
"""All partitions of a worker wait for one whose inbox is full; if it is hung they cannot for long."""


class PartitionQueue:
    """``offer`` waits while more than ``max_records`` are waiting: the back-pressure.

    Args:
        max_records: From how many on.
        hold: Told ``True`` when waiting takes too long, so that nothing more should be fetched for
            this partition, and ``False`` when it has room again.
    """

    def __init__(self, *, max_records: int, hold: Callable[[bool], None]) -> None:
        self.records = 0
        self.closed = False
        self._max_records, self._hold = max_records, hold
        self._held = False
        self._batches: deque[Batch] = deque()
        self._epoch = 0
        self._wake, self._room = asyncio.Event(), asyncio.Event()
        self._room.set()

    async def offer(self, batch: Batch) -> None:
        """Take over one fetched batch; waits a bounded time while too much is waiting."""
        epoch = self._epoch
        if not self._held and not await self._has_room():
            self._held = True
            self._hold(self._held)
        if self.closed or self._epoch != epoch:
            return  # what came before it was dropped, so it is fetched again as well
        self._batches.append(batch)
        self.records += len(batch.records)
        if self.records >= self._max_records:
            self._room.clear()
        self._wake.set()

    def forget(self) -> None:
        """Drop what waits, and what waits to be offered."""
        self._epoch += 1
        self._batches.clear()
        self._held = False  # a rebalance has all fetched again
        self._emptied()

    def close(self) -> None:
        """Take over nothing from now on."""
        self.closed = True
        self.forget()
        self._wake.set()

    async def wait(self, timeout_s: float) -> None:
        """Until there is something, or for ``timeout_s`` seconds."""
        if not self._wake.is_set():
            # wait() and not wait_for(): a timeout is no error here, and costs no exception.
            waiting = asyncio.ensure_future(self._wake.wait())
            try:
                await asyncio.wait([waiting], timeout=timeout_s)
            finally:
                waiting.cancel()
        self._wake.clear()

    def take(self, offsets: Mapping[str, int], *, partition: int) -> Sequence[SourceRecord]:
        """All records that wait, from ``offsets`` on: the next one to fold, by topic.

        Raises:
            LostRecordsError: A batch begins after the next record to fold.
        """
        taken: list[SourceRecord] = []
        following = dict(offsets)
        while self._batches:
            batch = self._batches.popleft()
            records, done = batch.records, following[batch.topic]
            if batch.start > done:
                raise LostRecordsError(
                    f"{batch.topic}[{partition}]: read from {batch.start}, expected {done}"
                )
            if records[0].offset < done:
                records = [record for record in records if record.offset >= done]
            if records:
                if taken:
                    taken += records
                else:
                    taken = cast("list[SourceRecord]", records)  # nobody else has them now
                following[batch.topic] = records[-1].offset + 1
        self._emptied()
        if self._held:
            self._held = False
            self._hold(self._held)
        return taken

    async def _has_room(self) -> bool:
        """Wait for room, for a bounded time."""
        try:
            async with asyncio.timeout(None if self._room.is_set() else PAUSE_AFTER_S):
                await self._room.wait()
        except TimeoutError:
            return False
        return True

    def _emptied(self) -> None:
        self.records = 0
        self._room.set()
