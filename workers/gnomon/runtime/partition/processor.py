"""Processes the batches of one partition: folds each into the state and commits it with its offsets."""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Generic, TypeVar

from gnomon.errors import OutputTooLargeError, TransientError
from gnomon.records import Outputs, SourceRecord
from gnomon.runtime.batch_metrics import BatchMetrics, trace_id_of
from gnomon.runtime.metrics import Metrics
from gnomon.runtime.partition.failure_limit import ConsecutiveFailureLimit
from gnomon.runtime.partition.poison import NOT_POISON, fold_without_poison
from gnomon.runtime.partition.ports import (
    HasTickPeriod,
    LagAware,
    OutputWriter,
    PartitionLog,
    PartitionRef,
    Stage,
)
from gnomon.runtime.partition.progress import Progress
from gnomon.runtime.partition.recovery import Recovery
from gnomon.runtime.partition.snapshots import SnapshotStore
from gnomon.runtime.partition.snapshotting import Snapshotter

logger = logging.getLogger(__name__)
State = TypeVar("State")

_FREE: AbstractAsyncContextManager[object] = nullcontext()
FIRST_BACKOFF_S = 0.1
MAX_BACKOFF_S = 5.0
RETRIES_S = (0.1, 1.0)
"""When a stage raises, the batch is repeated after these waits before the poison record is searched."""


class PartitionProcessor(Generic[State]):
    """Holds the state of one partition and the offsets up to which it is folded.

    Attributes:
        offsets: Next offset to process, by full topic name; empty before ``recover``.
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
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self.offsets: dict[str, int] = {}
        self.end_offsets: Mapping[str, int] = {}
        self.last_tick_s = 0.0
        self._stage, self._ref = stage, ref
        self._metrics, self._progress, self._stopping = metrics, progress, stopping
        self._committed = BatchMetrics(
            metrics, stage=stage.name, partition=ref.partition, now_ms=now_ms
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
        self._lag_aware = stage if isinstance(stage, LagAware) else None

    @property
    def lag(self) -> int:
        """Records known to wait, those in process included."""
        return sum(max(0, self.end_offsets.get(t, 0) - n) for t, n in self.offsets.items())

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
            self._snapshotter.recovered(self._clock_s() - began_s)
            self.offsets = offsets

    async def process(
        self, writer: OutputWriter, records: Sequence[SourceRecord], *, ticks: bool = False
    ) -> None:
        """Fold ``records``, and write the outputs together with the new offsets.

        Args:
            writer: Of the partition.
            records: One batch.
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
            await self._process_without_poison(writer, records, retries_s=RETRIES_S)
            return
        self._snapshotter.processed(self._clock_s() - began_s)
        self._failure_limit.succeeded()
        if ticks and (more := self._tick(0.0)) is not None:
            outputs.extend(more)
        try:
            await self._commit(writer, records, outputs)
        except OutputTooLargeError as error:
            logger.warning("batch.too_large", extra={"stage": name, "reason": str(error)})
            await self._process_without_poison(writer, records, retries_s=())

    async def tick(self, writer: OutputWriter, idle_s: float) -> None:
        """Write what the passing of time alone leads to, ``idle_s`` after the last record."""
        outputs = self._tick(idle_s)
        if outputs is not None and (any(outputs.by_topic.values()) or outputs.dead):
            self._progress.enter("committing")
            try:
                await writer.write(outputs, dict(self.offsets))
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
        """Write a snapshot if anything has changed."""
        await self._snapshotter.save(self._state, self.offsets, self._recovery.logs)

    async def _apply(self, state: State, records: Sequence[SourceRecord]) -> Outputs:
        """Apply the batch, with back-off while the stage raises ``TransientError``."""
        backoff_s = FIRST_BACKOFF_S
        while True:
            if self._lag_aware is not None:
                self._lag_aware.observe_lag(self._ref.partition, max(self.lag, len(records)))
            try:
                return await self._stage.apply(state, records)
            except TransientError as error:
                if self._stopping():
                    raise
                self._metrics.count("gnomon_batch_retries_total", 1, self._stage.name)
                logger.warning(
                    "batch.retry",
                    extra={"stage": self._stage.name, "reason": str(error), "in_s": backoff_s},
                )
                await asyncio.sleep(backoff_s)
                backoff_s = min(backoff_s * 2, MAX_BACKOFF_S)

    async def _process_without_poison(
        self, writer: OutputWriter, records: Sequence[SourceRecord], *, retries_s: Sequence[float]
    ) -> None:
        """Repeat the batch on a rebuilt state; if the error persists, search the poison record."""

        async def commit(part: Sequence[SourceRecord], outputs: Outputs) -> None:
            await self._commit(writer, part, outputs)
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

    async def _rebuild_state(self) -> None:
        """Replace a state that a failed batch may have changed."""
        self._progress.enter("recovering")
        self._state = await self._recovery.rebuild(self.offsets)
        self._progress.enter("applying")

    async def _commit(
        self, writer: OutputWriter, records: Sequence[SourceRecord], outputs: Outputs
    ) -> None:
        counts, offsets = _count_by_topic(records, topics=len(self.offsets))
        self._progress.enter("committing")
        trace_id = outputs.trace_id = trace_id_of(records[0])
        await writer.write(outputs, offsets)
        self.offsets |= offsets
        self._snapshotter.committed()
        self._progress.advanced()
        self._committed.committed(
            records, counts=counts, offsets=offsets, dead=outputs.dead, trace_id=trace_id
        )
        logger.debug(
            "batch.done",
            extra={
                "stage": self._stage.name,
                "partition": self._ref.partition,
                "records": len(records),
                "dead": len(outputs.dead),
            },
        )


def _count_by_topic(
    records: Sequence[SourceRecord], *, topics: int
) -> tuple[Mapping[str, int], dict[str, int]]:
    """The number of records of each topic, and the offset after the last of each."""
    if topics == 1:
        return {records[-1].topic: len(records)}, {records[-1].topic: records[-1].offset + 1}
    offsets = {record.topic: record.offset + 1 for record in records}
    return Counter(record.topic for record in records), offsets
