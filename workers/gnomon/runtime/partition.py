"""One input partition of one stage: its state, its writer, and the batches it works through.

The order on assignment is part of the protocol:

1. Start the transactional writer: what the last owner left open is aborted or completed, and
   the last owner is fenced.
2. Read the committed offsets: they are final now.
3. Rebuild the state up to exactly those offsets.
4. Work: drop records before the offset, fold the rest, write outputs and offsets together.
"""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from gnomon.errors import LostRecordsError, TransientError
from gnomon.records import Outputs, SourceRecord
from gnomon.runtime.engine import Batch
from gnomon.runtime.metrics import Metrics
from gnomon.runtime.ports import Stage
from gnomon.runtime.recovery import offsets_to_go_on_from, rebuild
from gnomon.runtime.snapshots import Snapshot, SnapshotStore
from gnomon.runtime.writer import TransactionalWriter

logger = logging.getLogger(__name__)
State = TypeVar("State")

MAX_BACKOFF_S = 5.0
TICK_EVERY_S = 5.0


class PartitionWorker(Generic[State]):
    """Works through the batches of one partition, one transaction at a time.

    ``offer`` waits while more than ``max_queued`` records are waiting: the back-pressure.
    ``failed`` is called, once, with what ended the work for good.
    """

    def __init__(
        self,
        stage: Stage[State],
        *,
        partition: int,
        brokers: str,
        group: str,
        prefix: str,
        snapshots: SnapshotStore,
        snapshot_every_s: float,
        metrics: Metrics,
        failed: Callable[[BaseException], None],
        max_queued: int = 16_384,
    ) -> None:
        self.partition = partition
        self.offsets: dict[str, int] = {}
        self.step = "new"
        self.progressed_at_s = 0.0
        self._stage, self._brokers, self._group = stage, brokers, group
        self._prefix = prefix
        self._topics = [prefix + name for name in stage.inputs]
        self._snapshots, self._snapshot_every_s = snapshots, snapshot_every_s
        self._metrics, self._failed, self._max_queued = metrics, failed, max_queued
        self._pending: deque[Batch] = deque()
        self._queued = self._epoch = 0
        self._wake, self._room = asyncio.Event(), asyncio.Event()
        self._resting = asyncio.Event()
        self._room.set()
        self._resting.set()
        self._stopping = False
        self._task: asyncio.Task[None] | None = None

    @property
    def queued(self) -> int:
        """Records taken over and not yet committed."""
        return self._queued

    @property
    def ready(self) -> bool:
        """Whether recovery is behind it."""
        return self.step not in {"new", "recovering"}

    def start(self) -> None:
        """Begin recovery and work in the background."""
        self._task = asyncio.create_task(
            self._run(), name=f"gnomon.{self._stage.name}.{self.partition}"
        )

    async def offer(self, batch: Batch) -> None:
        """Take over one fetched batch; waits while too much is waiting."""
        epoch = self._epoch
        await self._room.wait()
        if self._stopping or self._epoch != epoch:
            return  # what came before it was dropped, so it is fetched again as well
        self._pending.append(batch)
        self._queued += len(batch.records)
        if self._queued >= self._max_queued:
            self._room.clear()
        self._wake.set()

    def forget_pending(self) -> None:
        """Drop what has not been begun: after a rebalance it is fetched again."""
        self._epoch += 1
        self._pending.clear()
        self._queued = 0
        self._room.set()

    async def drain(self) -> None:
        """Wait until the batch in hand is committed."""
        await self._resting.wait()

    async def stop(self) -> None:
        """Finish the batch in hand, write a snapshot, and hand the partition over."""
        self._stopping = True
        self.forget_pending()
        self._wake.set()
        if self._task is not None:
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        try:
            self.step = "recovering"
            async with TransactionalWriter(
                brokers=self._brokers,
                group=self._group,
                stage=self._stage.name,
                partition=self.partition,
                prefix=self._prefix,
            ) as writer:
                state = await self._recover()
                await self._work(writer, state)
        except Exception as error:
            self.step = "failed"
            self._room.set()
            self._resting.set()
            if not (self._stopping and isinstance(error, TransientError)):
                self._failed(error)

    async def _recover(self) -> State:
        self.offsets = await offsets_to_go_on_from(
            brokers=self._brokers,
            group=self._group,
            topics=self._topics,
            partition=self.partition,
        )
        if not self._stage.stateful:
            return self._stage.new_state(self.partition)
        return await rebuild(
            self._stage,
            partition=self.partition,
            committed=self.offsets,
            brokers=self._brokers,
            snapshots=self._snapshots,
        )

    async def _work(self, writer: TransactionalWriter, state: State) -> None:
        clock = asyncio.get_running_loop().time
        self.progressed_at_s = clock()
        snapshot_due_s = clock() + self._snapshot_every_s
        tick_due_s = clock() + TICK_EVERY_S
        changed = False
        while not self._stopping:
            self.step = "idle"
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), TICK_EVERY_S)
            self._wake.clear()
            records, topics = self._take()
            if records:
                self._resting.clear()
                await self._process(writer, state, records, topics)
                self._resting.set()
                changed = True
                self.progressed_at_s = clock()
            if clock() >= tick_due_s and not self._stopping:
                await self._tick(writer, state, idle_s=clock() - self.progressed_at_s)
                tick_due_s = clock() + TICK_EVERY_S
            if changed and clock() >= snapshot_due_s:
                await self._save(state)
                changed = False
                snapshot_due_s = clock() + self._snapshot_every_s
        if changed:
            await self._save(state)

    def _take(self) -> tuple[list[SourceRecord], set[str]]:
        """All records that wait and are not folded already, and their topics.

        Raises:
            LostRecordsError: A batch begins after the next record to fold.
        """
        taken: list[SourceRecord] = []
        topics: set[str] = set()
        while self._pending:
            batch = self._pending.popleft()
            topic, records, done = batch.topic, batch.records, self.offsets[batch.topic]
            if batch.start > done:
                raise LostRecordsError(
                    f"{topic}[{self.partition}]: read from {batch.start}, expected {done}"
                )
            if records[0].offset < done:
                records = [r for r in records if r.offset >= done]
            if records:
                taken.extend(records)
                topics.add(topic)
                self.offsets[topic] = records[-1].offset + 1
                self._metrics.count("gnomon_records_total", len(records), self._stage.name, topic)
        self._queued = 0
        self._room.set()
        return taken, topics

    async def _process(
        self,
        writer: TransactionalWriter,
        state: State,
        records: Sequence[SourceRecord],
        topics: set[str],
    ) -> None:
        name = self._stage.name
        offsets = {topic: self.offsets[topic] for topic in topics}
        self.step = "applying"
        with self._metrics.time("gnomon_batch_seconds", name):
            outputs = await self._apply(state, records)
        self.step = "committing"
        with self._metrics.time("gnomon_transaction_seconds", name):
            await writer.write(outputs, offsets)
        self._metrics.count("gnomon_batches_total", 1, name)
        for letter in outputs.dead:
            self._metrics.count("gnomon_dead_letters_total", 1, name, letter.reason)
        for topic, offset in offsets.items():
            self._metrics.set("gnomon_partition_offset", offset, name, topic, str(self.partition))
        logger.debug(
            "batch.done",
            extra={
                "stage": name,
                "partition": self.partition,
                "records": len(records),
                "dead": len(outputs.dead),
            },
        )

    async def _apply(self, state: State, records: Sequence[SourceRecord]) -> Outputs:
        """Apply the batch, again with back-off while the world is bad."""
        backoff_s = 0.1
        while True:
            try:
                return await self._stage.apply(state, records)
            except TransientError as error:
                if self._stopping:
                    raise
                logger.warning(
                    "batch.retry",
                    extra={"stage": self._stage.name, "reason": str(error), "in_s": backoff_s},
                )
                await asyncio.sleep(backoff_s)
                backoff_s = min(backoff_s * 2, MAX_BACKOFF_S)

    async def _tick(self, writer: TransactionalWriter, state: State, *, idle_s: float) -> None:
        outputs = self._stage.tick(state, int(idle_s * 1000))
        if outputs is not None and (any(outputs.by_topic.values()) or outputs.dead):
            self.step = "committing"
            await writer.write(outputs, {})

    async def _save(self, state: State) -> None:
        """Write a snapshot; a disk that refuses costs only a longer recovery."""
        if not self._stage.stateful:
            return
        with self._metrics.time("gnomon_snapshot_seconds", self._stage.name):
            snapshot = Snapshot(dict(self.offsets), self._stage.snapshot(state))
            try:
                await asyncio.to_thread(self._snapshots.save, self.partition, snapshot)
            except OSError as error:
                logger.warning(
                    "snapshot.not_written",
                    extra={"stage": self._stage.name, "reason": str(error)},
                )
