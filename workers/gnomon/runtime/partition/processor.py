"""The state of one partition, folded batch by batch, each in a transaction with its offsets."""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Generic, TypeVar

from gnomon.errors import OutputTooLargeError, TransientError
from gnomon.records import Outputs, SourceRecord
from gnomon.runtime.kafka.writer import TransactionalWriter
from gnomon.runtime.metrics import Metrics
from gnomon.runtime.partition.failure_limit import ConsecutiveFailureLimit
from gnomon.runtime.partition.poison import NOT_POISON, fold_without_poison
from gnomon.runtime.partition.ports import LagAware, PartitionRef, Stage
from gnomon.runtime.partition.progress import Progress
from gnomon.runtime.partition.recovery import Recovery, resume_offsets
from gnomon.runtime.partition.snapshots import Snapshot, SnapshotStore

logger = logging.getLogger(__name__)
State = TypeVar("State")

REFOLD_S = 0.5
"""So long folding again what no snapshot has may take, which is what the next owner has to do."""
SAVES_SHARE = 10.0
"""But a snapshot that takes long is written only after so many times as long of folding."""
MAX_BACKOFF_S = 5.0
RETRIES_S = (0.1, 1.0)
"""A batch on which the stage raised is tried again after so many seconds before it is searched."""


class PartitionProcessor(Generic[State]):
    """Knows the state and the offsets it stands for.

    Args:
        stage: What folds.
        place: Which partition.
        snapshots: Where snapshots go.
        metrics: Where to count.
        progress: Told of each step.
        clock_s: Monotonic seconds.
        stopping: Whether to give up what cannot be finished soon.
    """

    def __init__(
        self,
        stage: Stage[State],
        place: PartitionRef,
        *,
        snapshots: SnapshotStore,
        metrics: Metrics,
        progress: Progress,
        clock_s: Callable[[], float],
        stopping: Callable[[], bool],
    ) -> None:
        self.offsets: dict[str, int] = {}
        self.ends: Mapping[str, int] = {}
        self._stage, self._place, self._snapshots = stage, place, snapshots
        self._metrics, self._progress, self._stopping = metrics, progress, stopping
        self._clock_s, self._breaker = clock_s, ConsecutiveFailureLimit(stage.name)
        self._unsaved_s = self._save_s = 0.0
        self._state: State
        self._changed = False
        self._lag_aware = stage if isinstance(stage, LagAware) else None

    @property
    def lag(self) -> int:
        """Records known to wait, those being folded included."""
        return sum(max(0, self.ends.get(t, 0) - offset) for t, offset in self.offsets.items())

    @property
    def save_due(self) -> bool:
        """Whether what was folded since the last snapshot has become too much to fold again."""
        return self._unsaved_s >= max(REFOLD_S, SAVES_SHARE * self._save_s)

    async def recover(self) -> None:
        """Find where to go on and rebuild the state there."""
        self._progress.enter("recovering")
        topics = [self._place.prefix + name for name in self._stage.inputs]
        offsets = await resume_offsets(self._place, topics)
        self._progress.advanced()
        began_s = self._clock_s()
        self._state = await self._rebuild(offsets)
        self._unsaved_s = self._clock_s() - began_s
        self._changed = self.save_due  # what took so long is not to be done once more
        self.offsets = offsets

    async def process(self, writer: TransactionalWriter, records: Sequence[SourceRecord]) -> None:
        """Fold ``records`` and write what they lead to, together with their offsets.

        Raises:
            FencedError: Another worker owns the partition.
            StageBrokenError: The stage raises on every record.
            TransientError: It cannot be done now, and the worker is stopping.
        """
        name = self._stage.name
        self._progress.enter("applying")
        began_s = self._clock_s()
        try:
            with self._metrics.time("gnomon_batch_seconds", name):
                outputs = await self._apply(self._state, records)
        except NOT_POISON:
            raise
        except Exception as error:  # foreign code: whatever it raises is about these records
            logger.warning("batch.raised", extra={"stage": name, "error": type(error).__name__})
            await self._process_around_poison(writer, records, retries_s=RETRIES_S)
            return
        self._unsaved_s += self._clock_s() - began_s
        self._breaker.worked()
        try:
            await self._commit(writer, records, outputs)
        except OutputTooLargeError as error:
            logger.warning("batch.too_large", extra={"stage": name, "reason": str(error)})
            await self._process_around_poison(writer, records, retries_s=())

    async def tick(self, writer: TransactionalWriter, idle_s: float) -> None:
        """Write what the mere passing of time leads to."""
        outputs = self._stage.tick(self._state, int(idle_s * 1000))
        if outputs is not None and (any(outputs.by_topic.values()) or outputs.dead):
            self._progress.enter("committing")
            try:
                await writer.write(outputs, {})
            except OutputTooLargeError as error:  # there is no record to put aside for it
                logger.error(  # noqa: TRY400  the reason says all
                    "tick.too_large", extra={"stage": self._stage.name, "reason": str(error)}
                )
            self._progress.advanced()

    async def save(self) -> None:
        """Write a snapshot if anything changed; a disk that refuses costs a longer recovery."""
        self._unsaved_s = 0.0
        if not self._changed:
            return
        self._changed = False
        if not self._stage.stateful:
            return
        self._progress.enter("snapshotting")
        began_s = self._clock_s()
        with self._metrics.time("gnomon_snapshot_seconds", self._stage.name):
            snapshot = Snapshot(dict(self.offsets), self._stage.snapshot(self._state))
            self._save_s = self._clock_s() - began_s
            try:
                await asyncio.to_thread(self._snapshots.save, self._place.partition, snapshot)
            except OSError as error:
                logger.warning(
                    "snapshot.not_written",
                    extra={"stage": self._stage.name, "reason": str(error)},
                )
        self._progress.advanced()

    async def _rebuild(self, offsets: Mapping[str, int]) -> State:
        recovery = Recovery(
            self._stage,
            self._place,
            snapshots=self._snapshots,
            advanced=self._progress.advanced,
            failure_limit=self._breaker,
        )
        return await recovery.rebuild(offsets)

    async def _apply(self, state: State, records: Sequence[SourceRecord]) -> Outputs:
        """Apply the batch, again with back-off while the world is bad."""
        backoff_s = 0.1
        while True:
            if self._lag_aware is not None:
                self._lag_aware.behind(self._place.partition, max(self.lag, len(records)))
            try:
                return await self._stage.apply(state, records)
            except TransientError as error:
                if self._stopping():
                    raise
                logger.warning(
                    "batch.retry",
                    extra={"stage": self._stage.name, "reason": str(error), "in_s": backoff_s},
                )
                await asyncio.sleep(backoff_s)
                backoff_s = min(backoff_s * 2, MAX_BACKOFF_S)

    async def _process_around_poison(
        self,
        writer: TransactionalWriter,
        records: Sequence[SourceRecord],
        *,
        retries_s: Sequence[float],
    ) -> None:
        """Fold on a state put back: at once, else around the records that cannot be folded."""

        async def commit(part: Sequence[SourceRecord], outputs: Outputs) -> None:
            await self._commit(writer, part, outputs)
            self._progress.enter("applying")

        for wait_s in retries_s:
            self._progress.enter("recovering")
            self._state = await self._rebuild(self.offsets)
            self._progress.enter("applying")
            await asyncio.sleep(wait_s)
            try:
                outputs = await self._apply(self._state, records)
            except NOT_POISON:
                raise
            except Exception:  # noqa: S112  told by the caller, and by the dead letter if it stays
                continue
            await commit(records, outputs)
            return
        self._progress.enter("recovering")
        self._state = await self._rebuild(self.offsets)
        self._progress.enter("applying")
        self._state = await fold_without_poison(
            self._stage,
            self._state,
            records,
            partition=self._place.partition,
            apply=self._apply,
            commit=commit,
            failure_limit=self._breaker,
        )
        await self.save()

    async def _commit(
        self, writer: TransactionalWriter, records: Sequence[SourceRecord], outputs: Outputs
    ) -> None:
        name, partition = self._stage.name, str(self._place.partition)
        counts, offsets = _extent(records, topics=len(self.offsets))
        self._progress.enter("committing")
        with self._metrics.time("gnomon_transaction_seconds", name):
            await writer.write(outputs, offsets)
        self.offsets |= offsets
        self._changed = True
        self._progress.advanced()
        self._metrics.count("gnomon_batches_total", 1, name)
        for topic, count in counts.items():
            self._metrics.count("gnomon_records_total", count, name, topic)
            self._metrics.set("gnomon_partition_offset", offsets[topic], name, topic, partition)
        for letter in outputs.dead:
            self._metrics.count("gnomon_dead_letters_total", 1, name, letter.reason)
        logger.debug(
            "batch.done",
            extra={
                "stage": name,
                "partition": self._place.partition,
                "records": len(records),
                "dead": len(outputs.dead),
            },
        )


def _extent(
    records: Sequence[SourceRecord], *, topics: int
) -> tuple[Mapping[str, int], dict[str, int]]:
    """How many records there are of each topic, and the offset after the last of each."""
    if topics == 1:
        return {records[-1].topic: len(records)}, {records[-1].topic: records[-1].offset + 1}
    last = {record.topic: record.offset + 1 for record in records}
    return Counter(record.topic for record in records), last
