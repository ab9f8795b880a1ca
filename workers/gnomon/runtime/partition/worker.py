"""One input partition of one stage: its state, its writer, and the batches it works through.

The order on assignment is part of the protocol:

1. Start the transactional writer: what the last owner left open is aborted or completed, and
   the last owner is fenced.
2. Read the committed offsets: they are final now.
3. Rebuild the state up to exactly those offsets.
4. Work: drop records before the offset, fold the rest, write outputs and offsets together.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Generic, TypeVar

from gnomon.errors import FencedError, TransientError
from gnomon.runtime.kafka.batch import Batch
from gnomon.runtime.kafka.writer import TransactionalWriter
from gnomon.runtime.metrics import Metrics
from gnomon.runtime.partition.ports import PartitionRef, Stage
from gnomon.runtime.partition.processor import PartitionProcessor
from gnomon.runtime.partition.progress import Progress
from gnomon.runtime.partition.queue import PartitionQueue
from gnomon.runtime.partition.snapshots import SnapshotStore

logger = logging.getLogger(__name__)
State = TypeVar("State")

TICK_EVERY_S = 5.0
MAX_QUEUED = 16_384
CANCEL_S = 2.0
"""How long a partition's work may take to end once it is cancelled."""


class PartitionWorker(Generic[State]):
    """Works through the batches of one partition, one transaction at a time.

    Args:
        stage: What folds.
        place: Which partition.
        snapshots: Where snapshots go.
        snapshot_every_s: Seconds between them.
        metrics: Where to count.
        clock_s: Monotonic seconds.
        hold: Told whether to fetch no more for it at present.
        failed: Called, once, with what ended the work for good.
    """

    def __init__(
        self,
        stage: Stage[State],
        place: PartitionRef,
        *,
        snapshots: SnapshotStore,
        snapshot_every_s: float,
        metrics: Metrics,
        clock_s: Callable[[], float],
        hold: Callable[[bool], None],
        failed: Callable[["PartitionWorker[State]", Exception], None],
    ) -> None:
        self.place = place
        self.progress = Progress(clock_s)
        self._stage, self._clock_s, self._failed = stage, clock_s, failed
        self._snapshot_every_s = snapshot_every_s
        self._inbox = PartitionQueue(max_records=MAX_QUEUED, hold=hold)
        self._folding = PartitionProcessor(
            stage,
            place,
            snapshots=snapshots,
            metrics=metrics,
            progress=self.progress,
            clock_s=clock_s,
            stopping=lambda: self._inbox.closed,
        )
        self._resting = asyncio.Event()
        self._resting.set()
        self._task: asyncio.Task[None] | None = None

    @property
    def ready(self) -> bool:
        """Whether its state is there and it works."""
        return self.progress.step not in {"new", "recovering", "fenced", "failed"}

    @property
    def gone(self) -> bool:
        """Whether the work has ended, so that only another object can go on."""
        return self.progress.step in {"fenced", "failed"}

    def status(self) -> Mapping[str, object]:
        """Small facts for ``/status``."""
        return {
            "step": self.progress.step,
            "queued": self._inbox.records,
            "lag": self.progress.lag,
            "still_for_s": round(self.progress.since_advance_s, 1),
            "offsets": dict(self._folding.offsets),
        }

    def observe_end_offsets(self, ends: Mapping[str, int]) -> None:
        """Where the log ends, by full topic name: what is before it and not folded is the lag."""
        self._folding.ends = ends
        if self._folding.offsets:
            self.progress.observe_lag(self._folding.lag)

    def start(self) -> None:
        """Begin recovery and work in the background."""
        self._task = asyncio.create_task(
            self._run(), name=f"gnomon.{self._stage.name}.{self.place.partition}"
        )

    async def offer(self, batch: Batch) -> None:
        """Take over one fetched batch; waits a bounded time while too much is waiting."""
        await self._inbox.offer(batch)

    def clear_queue(self) -> None:
        """Drop what has not been begun: after a rebalance it is fetched again."""
        self._inbox.forget()

    async def drain(self) -> None:
        """Wait until the batch in hand is committed."""
        await self._resting.wait()

    async def stop(self, *, within_s: float) -> None:
        """Finish the batch in hand, write a snapshot, and hand the partition over.

        What is not done ``within_s`` seconds is cancelled; whoever takes over fences the rest.
        """
        self._inbox.close()
        if self._task is None:
            return
        _, late = await asyncio.wait([self._task], timeout=within_s)
        if late:
            logger.warning(
                "partition.cancelled",
                extra={
                    "stage": self._stage.name,
                    "partition": self.place.partition,
                    "step": self.progress.step,
                },
            )
            self._task.cancel()
            await asyncio.wait([self._task], timeout=CANCEL_S)

    async def _run(self) -> None:
        self.progress.enter("recovering")
        try:
            async with TransactionalWriter(
                brokers=self.place.brokers,
                group=self.place.group,
                stage=self._stage.name,
                partition=self.place.partition,
                prefix=self.place.prefix,
            ) as writer:
                await self._folding.recover()
                await self._work(writer)
        except Exception as error:  # the edge of a task: all of it goes to the owner
            self.progress.enter("fenced" if isinstance(error, FencedError) else "failed")
            if not (self._inbox.closed and isinstance(error, TransientError | FencedError)):
                self._failed(self, error)
        finally:
            self._inbox.close()
            self._resting.set()

    async def _work(self, writer: TransactionalWriter) -> None:
        clock, folding, inbox = self._clock_s, self._folding, self._inbox
        self.progress.advanced()
        last_record_s = clock()
        snapshot_due_s = clock() + self._snapshot_every_s
        tick_due_s = clock() + TICK_EVERY_S
        while not inbox.closed:
            self.progress.enter("idle")
            await inbox.wait(TICK_EVERY_S)
            records = inbox.take(folding.offsets, partition=self.place.partition)
            if records:
                self._resting.clear()
                await folding.process(writer, records)
                self._resting.set()
                last_record_s = clock()
            if clock() >= tick_due_s and not inbox.closed:
                await folding.tick(writer, clock() - last_record_s)
                tick_due_s = clock() + TICK_EVERY_S
            if (clock() >= snapshot_due_s or folding.save_due) and not inbox.closed:
                await folding.save()
                snapshot_due_s = clock() + self._snapshot_every_s
        await folding.save()
