"""Processes the batches of one partition: folds each into the state and commits it with its offsets.

A batch is folded while the write of the batch before it is pending (``commits``). If that write is refused
because of its size, or the stage raises, the state is rebuilt at the committed offsets, and what is not
committed is folded again.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Generic, TypeVar

from gnomon.errors import OutputTooLargeError
from gnomon.records import Outputs, SourceRecord
from gnomon.runtime.batch_metrics import trace_id_of
from gnomon.runtime.metrics import Metrics
from gnomon.runtime.partition.commits import Commits
from gnomon.runtime.partition.failure_limit import ConsecutiveFailureLimit
from gnomon.runtime.partition.poison import NOT_POISON, fold_without_poison
from gnomon.runtime.partition.ports import (
    HasTickPeriod,
    OutputWriter,
    PartitionLog,
    PartitionRef,
    Stage,
)
from gnomon.runtime.partition.progress import Progress
from gnomon.runtime.partition.recovery import Recovery
from gnomon.runtime.partition.retrying import RetryingApply
from gnomon.runtime.partition.snapshots import SnapshotStore
from gnomon.runtime.partition.snapshotting import Snapshotter

logger = logging.getLogger(__name__)
State = TypeVar("State")

_FREE: AbstractAsyncContextManager[object] = nullcontext()
RETRIES_S = (0.1, 1.0)
"""When a stage raises, the batch is repeated after these waits before the poison record is searched."""


class PartitionProcessor(Generic[State]):
    """Holds the state of one partition and the offsets up to which it is folded and committed.

    Attributes:
        commits: Offsets that are folded and committed, and the pending write.
        end_offsets: Offset after the last record in the log, by full topic name, as last observed.
        last_tick_s: How many seconds the last tick of the stage took.

    Args:
        stage: Folds the records.
        ref: Which partition.
        log: Read on recovery.
        snapshots: Where snapshots are read and written.
        metrics: Where to count.
        progress: Shows the step.
        clock_s: Monotonic seconds.
        stopping: Whether the worker stops, so that a batch is no longer retried.
        on_committed: Called when a write has ended, well or not; ``settle`` does not wait then.
        now_ms: The clock of the records, epoch milliseconds.
    """

    def __init__(
        self,
        stage: Stage[State],
        ref: PartitionRef,
        *,
        log: PartitionLog,
        snapshots: SnapshotStore,
        metrics: Metrics,
        progress: Progress,
        clock_s: Callable[[], float],
        stopping: Callable[[], bool],
        on_committed: Callable[[], None] = lambda: None,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self.end_offsets: Mapping[str, int] = {}
        self.last_tick_s = 0.0
        self._stage, self._ref = stage, ref
        self._metrics, self._progress = metrics, progress
        self.commits = Commits(
            stage.name,
            ref,
            metrics=metrics,
            progress=progress,
            on_committed=on_committed,
            now_ms=now_ms,
        )
        self._clock_s = clock_s
        self._failure_limit = ConsecutiveFailureLimit(stage.name)
        self._recovery = Recovery(
            stage,
            ref,
            log=log,
            snapshots=snapshots,
            on_progress=progress.advanced,
            failure_limit=self._failure_limit,
        )
        self._snapshotter = Snapshotter(
            stage,
            ref.partition,
            store=snapshots,
            metrics=metrics,
            progress=progress,
            clock_s=clock_s,
        )
        self._log = log
        self._state: State
        self._apply = RetryingApply(
            stage, ref.partition, metrics=metrics, lag=lambda: self._unfolded, stopping=stopping
        )

    @property
    def lag(self) -> int:
        """Records known to wait, those in process included."""
        return self._after(self.commits.offsets)

    @property
    def _unfolded(self) -> int:
        """Records known to wait that are not folded yet; those of a pending write are."""
        return self._after(self.commits.folded)

    def _after(self, offsets: Mapping[str, int]) -> int:
        return sum(max(0, self.end_offsets.get(t, 0) - n) for t, n in offsets.items())

    @property
    def tick_every_s(self) -> float | None:
        """Seconds between two ticks, if the stage chooses."""
        return self._stage.tick_every_s if isinstance(self._stage, HasTickPeriod) else None

    @property
    def save_due(self) -> bool:
        """Whether a snapshot is due before its time, because much was processed since the last."""
        return self._snapshotter.due

    async def recover(self, slots: AbstractAsyncContextManager[object] = _FREE) -> None:
        """Find the offsets to resume from and rebuild the state there.

        Args:
            slots: Held while the state is rebuilt. All partitions ask for their offsets at once, because
                each answer takes the brokers up to half a second.

        Raises:
            BrokerUnavailableError: Offsets or log could not be read.
        """
        self._progress.enter("recovering")
        topics = [self._ref.prefix + name for name in self._stage.inputs]
        offsets = await self._log.resume_offsets(topics)
        self._progress.enter("new")
        async with slots:
            self._progress.enter("recovering")
            self._progress.advanced()
            began_s = self._clock_s()
            self._state = await self._recovery.rebuild(offsets)
            self._snapshotter.recovered(self._clock_s() - began_s, saved=self._recovery.is_snapshot)
            self.commits.recovered(offsets)

    async def process(
        self, writer: OutputWriter, records: Sequence[SourceRecord], *, ticks: bool = False
    ) -> None:
        """Fold ``records``, and hand over the outputs with the new offsets.

        The write is pending afterwards; the one before it is committed.

        Args:
            writer: Of the partition.
            records: One batch, from ``commits.folded`` on.
            ticks: Whether a tick is due; what it leads to is written with the rest.

        Raises:
            FencedError: Another worker owns the partition.
            StageBrokenError: The stage raises on every record.
            TransientError: The batch cannot be processed now, and the worker stops.
        """
        name = self._stage.name
        self._progress.enter("applying")
        began_s = self._clock_s()
        try:
            trace_id = trace_id_of(records[0])
            with self._metrics.time("gnomon_batch_seconds", name, trace_id=trace_id):
                outputs = await self._apply(self._state, records)
        except NOT_POISON:
            raise
        except Exception as error:  # foreign code: any other error is about these records
            logger.warning("batch.raised", extra={"stage": name, "error": type(error).__name__})
            await self.settle(writer)
            await self._process_without_poison(writer, records, retries_s=RETRIES_S)
            return
        self._snapshotter.processed(self._clock_s() - began_s)
        self._failure_limit.succeeded()
        if not await self.settle(writer):
            await self.process(writer, records, ticks=ticks)
            return
        if ticks and (more := self._tick(0.0)) is not None:
            outputs.extend(more)
        try:
            self._progress.enter("committing")
            await self.commits.begin(writer, records, outputs)
        except OutputTooLargeError as error:
            await self._without_large_outputs(writer, records, error)

    async def settle(self, writer: OutputWriter) -> bool:
        """Wait until no write is pending.

        Returns:
            Whether the state is as it was. It is not if the write was refused because of its size:
            its batch was processed again without the record that led to it, and nothing after it.

        Raises:
            FencedError: Another worker owns the partition.
            TransientError: The transaction could not be completed.
        """
        if (write := self.commits.pending) is None:
            return True
        try:
            await self.commits.settle()
        except OutputTooLargeError as error:
            await self._without_large_outputs(writer, write.records, error)
            return False
        self._snapshotter.committed()
        return True

    async def tick(self, writer: OutputWriter, idle_s: float) -> None:
        """Write what the passing of time alone leads to, ``idle_s`` after the last record."""
        await self.settle(writer)
        outputs = self._tick(idle_s)
        if outputs is not None and (any(outputs.by_topic.values()) or outputs.dead):
            self._progress.enter("committing")
            try:
                await writer.write(outputs, dict(self.commits.offsets))
            except OutputTooLargeError as error:  # no input record to make a dead letter of
                logger.error(  # noqa: TRY400  the reason is enough
                    "tick.too_large", extra={"stage": self._stage.name, "reason": str(error)}
                )
            self._progress.advanced()

    def _tick(self, idle_s: float) -> Outputs | None:
        """Return what the stage writes ``idle_s`` after the last record.

        While records wait, no time has passed since the last: the next ones tell what happened.
        """
        began_s = self._clock_s()
        outputs = self._stage.tick(self._state, 0 if self.lag else int(idle_s * 1000))
        self.last_tick_s = self._clock_s() - began_s
        return outputs

    async def save(self) -> None:
        """Write a snapshot if anything has changed; no write may be pending (``settle``).

        Raises:
            RuntimeError: A write is pending: the state is ahead of the committed offsets.
        """
        if self.commits.pending is not None:
            raise RuntimeError("a snapshot was to be written while a write is pending")
        await self._snapshotter.save(self._state, self.commits.offsets, self._recovery.logs)

    async def _process_without_poison(
        self, writer: OutputWriter, records: Sequence[SourceRecord], *, retries_s: Sequence[float]
    ) -> None:
        """Repeat the batch on a rebuilt state; if the error persists, search the poison record."""

        async def commit(part: Sequence[SourceRecord], outputs: Outputs) -> None:
            await self.commits.begin(writer, part, outputs)
            await self.commits.settle()
            self._snapshotter.committed()
            self._progress.enter("applying")

        for wait_s in retries_s:
            await self._rebuild_state()
            await asyncio.sleep(wait_s)
            try:
                outputs = await self._apply(self._state, records)
            except NOT_POISON:
                raise
            except Exception:  # noqa: S112  the caller has logged it
                continue
            await commit(records, outputs)
            return
        await self._rebuild_state()
        self._state = await fold_without_poison(
            self._stage,
            self._state,
            records,
            partition=self._ref.partition,
            apply=self._apply,
            commit=commit,
            failure_limit=self._failure_limit,
        )
        await self.save()

    async def _without_large_outputs(
        self, writer: OutputWriter, records: Sequence[SourceRecord], error: OutputTooLargeError
    ) -> None:
        logger.warning("batch.too_large", extra={"stage": self._stage.name, "reason": str(error)})
        await self._process_without_poison(writer, records, retries_s=())

    async def _rebuild_state(self) -> None:
        """Replace a state that a failed batch may have changed."""
        self._progress.enter("recovering")
        self._state = await self._recovery.rebuild(self.commits.offsets)
        self.commits.fold_again()
        self._progress.enter("applying")
