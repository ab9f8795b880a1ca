"""Works on one input partition of one stage: owns its queue, its state and its transactional writer.

The order on assignment is part of the protocol:

1. Open the transactional writer.
2. Read the committed offsets. The transactions that earlier owners left open are ended before, so these
   offsets are final.
3. Rebuild the state up to exactly those offsets.
4. Work: drop records before the offsets, fold the rest, write outputs and offsets together.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Generic, TypeVar

from gnomon.errors import FencedError, TransientError
from gnomon.runtime.kafka.batch import Batch
from gnomon.runtime.metrics import Metrics
from gnomon.runtime.partition.ports import OutputWriter, PartitionLog, PartitionRef, Stage
from gnomon.runtime.partition.processor import PartitionProcessor
from gnomon.runtime.partition.progress import Progress
from gnomon.runtime.partition.queue import PartitionQueue
from gnomon.runtime.partition.snapshots import SnapshotStore
from gnomon.runtime.partition.spacing import Schedule

logger = logging.getLogger(__name__)
State = TypeVar("State")

TICK_EVERY_S = 5.0
TICK_PATIENCE = 0.25
"""A tick waits for records for this part of its period, and for as long as they linger: written with them, it is
no transaction of its own."""
MAX_QUEUED = 16_384
FOLDED_AHEAD = 256
"""So many records are folded while the batch before them is written; fewer wait to be one batch with more."""
CANCEL_S = 2.0
"""How long the worker may take to end once it is cancelled."""


class PartitionWorker(Generic[State]):
    """Processes the batches of one partition, one transaction at a time.

    Args:
        stage: Folds the records.
        ref: Which partition.
        log: Read on recovery.
        open_writer: Creates the transactional writer.
        recovery_slots: Bounds how many partitions of a process rebuild their state at once.
        snapshots: Where snapshots are read and written.
        schedule: When to tick and to save, shared by all partitions of the process.
        metrics: Where to count.
        clock_s: Monotonic seconds.
        set_paused: Called with whether fetching for this partition is to be paused.
        on_failure: Called once with the error that ended the work.
    """

    def __init__(
        self,
        stage: Stage[State],
        ref: PartitionRef,
        *,
        log: PartitionLog,
        open_writer: Callable[[], AbstractAsyncContextManager[OutputWriter]],
        recovery_slots: asyncio.Semaphore,
        snapshots: SnapshotStore,
        schedule: Schedule,
        metrics: Metrics,
        clock_s: Callable[[], float],
        set_paused: Callable[[bool], None],
        on_failure: Callable[["PartitionWorker[State]", Exception], None],
    ) -> None:
        self.ref = ref
        self.progress = Progress(clock_s)
        self._stage, self._clock_s, self._on_failure = stage, clock_s, on_failure
        self._open_writer, self._schedule = open_writer, schedule
        self._recovery_slots = recovery_slots
        self._queue = PartitionQueue(max_records=MAX_QUEUED, set_paused=set_paused)
        self._processor = PartitionProcessor(
            stage,
            ref,
            log=log,
            snapshots=snapshots,
            metrics=metrics,
            progress=self.progress,
            clock_s=clock_s,
            stopping=lambda: self._queue.closed,
            on_committed=self._queue.notify,
        )
        self._nothing_pending = asyncio.Event()
        self._nothing_pending.set()
        self._task: asyncio.Task[None] | None = None
        self._writer: OutputWriter | None = None

    @property
    def ready(self) -> bool:
        """Whether its state is rebuilt and it works."""
        return self.progress.step not in {"new", "recovering", "fenced", "failed"}

    @property
    def ended(self) -> bool:
        """Whether the work has ended by an error; a new worker is needed to continue."""
        return self.progress.step in {"fenced", "failed"}

    def status(self) -> Mapping[str, object]:
        """Return small facts for ``/status``."""
        return {
            "step": self.progress.step,
            "queued": self._queue.records,
            "lag": self.progress.lag,
            "still_for_s": round(self.progress.since_advance_s, 1),
            "offsets": dict(self._processor.commits.offsets),
        }

    def observe_end_offsets(self, ends: Mapping[str, int]) -> None:
        """Update the lag from the offset after the last record, by full topic name."""
        self._processor.end_offsets = ends
        if self._processor.commits.offsets:
            self.progress.observe_lag(self._processor.lag)

    def start(self) -> None:
        """Start recovery and work in the background."""
        self._task = asyncio.create_task(
            self._run(), name=f"gnomon.{self._stage.name}.{self.ref.partition}"
        )

    async def put(self, batch: Batch) -> None:
        """Queue one fetched batch; waits a bounded time while the queue is full."""
        await self._queue.put(batch)

    def clear_queue(self) -> None:
        """Drop the batches not yet begun: after a rebalance they are fetched again."""
        self._queue.clear()

    async def drain(self) -> None:
        """Wait until all that was begun is committed."""
        await self._nothing_pending.wait()

    def give_up(self) -> None:
        """Write nothing more, because the partition no longer belongs to this process or this worker."""
        self._queue.close()
        if self._writer is not None:
            self._writer.revoke()

    async def stop(self, *, within_s: float) -> None:
        """Finish the current batch, write a snapshot, and stop; cancel it after ``within_s`` seconds."""
        self._queue.close()
        if self._task is None:
            return
        _, late = await asyncio.wait([self._task], timeout=within_s)
        if late:
            logger.warning(
                "partition.cancelled",
                extra={
                    "stage": self._stage.name,
                    "partition": self.ref.partition,
                    "step": self.progress.step,
                },
            )
            self._task.cancel()
            await asyncio.wait([self._task], timeout=CANCEL_S)

    async def _run(self) -> None:
        self.progress.enter("recovering")
        try:
            async with self._open_writer() as self._writer:
                await self._processor.recover(self._recovery_slots)
                await self._work(self._writer)
        except Exception as error:  # the edge of a task: every error is reported
            self.progress.enter("fenced" if isinstance(error, FencedError) else "failed")
            if not (self._queue.closed and isinstance(error, TransientError | FencedError)):
                self._on_failure(self, error)
        finally:
            self._queue.close()
            self._processor.commits.abandon()
            self._nothing_pending.set()

    async def _work(self, writer: OutputWriter) -> None:
        clock_s, processor, queue = self._clock_s, self._processor, self._queue
        schedule = self._schedule
        self.progress.advanced()
        last_record_s = clock_s()
        snapshot_due_s = schedule.next_snapshot_s(clock_s())
        tick_every_s = processor.tick_every_s or TICK_EVERY_S
        tick_due_s = schedule.next_tick_s(clock_s(), every_s=tick_every_s)
        patience_s = tick_every_s * TICK_PATIENCE + self._stage.linger_ms / 1000
        while not queue.closed:
            alone_due_s = tick_due_s + patience_s
            await self._wait(writer, until_s=min(alone_due_s, snapshot_due_s))
            if processor.commits.pending and queue.records < FOLDED_AHEAD:
                continue
            records = queue.take(processor.commits.folded, partition=self.ref.partition)
            ticks = clock_s() >= (tick_due_s if records else alone_due_s) and not queue.closed
            if records:
                self._nothing_pending.clear()
                await processor.process(writer, records, ticks=ticks)
                last_record_s = clock_s()
            elif ticks:
                await processor.tick(writer, clock_s() - last_record_s)
            if ticks:
                tick_due_s = schedule.next_tick_s(
                    clock_s(), every_s=tick_every_s, took_s=processor.last_tick_s
                )
            if (clock_s() >= snapshot_due_s or processor.save_due) and not queue.closed:
                await processor.settle(writer)
                await processor.save()
                snapshot_due_s = schedule.next_snapshot_s(clock_s())
        await processor.settle(writer)
        await processor.save()

    async def _wait(self, writer: OutputWriter, *, until_s: float) -> None:
        """Wait for records, until ``until_s`` (monotonic) at the latest, or for the pending write."""
        processor = self._processor
        if processor.commits.pending:
            self.progress.enter("committing")
            await self._queue.wait(None)
        else:
            self.progress.enter("idle")
            await self._queue.wait(max(0.0, until_s - self._clock_s()))
        if processor.commits.ended:
            await processor.settle(writer)
        if not processor.commits.pending:
            self._nothing_pending.set()
