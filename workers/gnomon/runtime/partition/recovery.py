"""Rebuilds the state of one partition: newest usable snapshot, then the log up to the committed offsets.

All records read here were processed before, so their outputs are in Kafka already and are dropped.
Records that were quarantined then (``poison``) are skipped.

A snapshot is used only if it was folded from these logs (``snapshots``). One that does not name them,
because the brokers had no ids, is used only if each log has a record that is older than the snapshot:
if the topic had been made again since, all its records would be newer.

If retention has removed records that come after the snapshot, or after the beginning of the log, the
state is told so: its outputs must not claim to be complete.
"""

import contextlib
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Generic, TypeVar

from gnomon.records import Outputs, SourceRecord
from gnomon.runtime.partition.failure_limit import ConsecutiveFailureLimit
from gnomon.runtime.partition.poison import NOT_POISON, QUARANTINE_REASONS, fold_without_poison
from gnomon.runtime.partition.ports import (
    CanMissRecords,
    LogFacts,
    PartitionLog,
    PartitionRef,
    RecordIds,
    Stage,
)
from gnomon.runtime.partition.snapshots import Snapshot, SnapshotStore

logger = logging.getLogger(__name__)
State = TypeVar("State")


class Recovery(Generic[State]):
    """Rebuilds states of one partition.

    Args:
        stage: Folds the records.
        ref: Which partition.
        log: Where the records are.
        snapshots: Where recovery may start from.
        on_progress: Called after each part of the log.
        failure_limit: Told of records on which the stage raises.

    Attributes:
        logs: Ids of the logs from which the state was last rebuilt, by full topic name.
        is_snapshot: Whether that state is a snapshot as it was written, or new.
    """

    def __init__(
        self,
        stage: Stage[State],
        ref: PartitionRef,
        *,
        log: PartitionLog,
        snapshots: SnapshotStore,
        on_progress: Callable[[], None],
        failure_limit: ConsecutiveFailureLimit,
    ) -> None:
        self._stage, self._ref, self._log = stage, ref, log
        self._snapshots, self._on_progress = snapshots, on_progress
        self._failure_limit = failure_limit
        self.logs: Mapping[str, str] = {}
        self.is_snapshot = True

    async def rebuild(self, committed: Mapping[str, int]) -> State:
        """Return the state after exactly the records before ``committed``.

        Args:
            committed: Next offset to process, by full topic name.

        Raises:
            BrokerUnavailableError: The log could not be read.
            StageBrokenError: The stage raises on every record.
        """
        if not self._stage.stateful:
            return self._stage.new_state(self._ref.partition)
        return await self._rebuild(committed, skipped=None)

    async def _rebuild(
        self, committed: Mapping[str, int], *, skipped: set[tuple[str, int]] | None
    ) -> State:
        """``skipped`` are records to skip, or ``None`` if they are not known yet."""
        facts = await self._log.describe(list(committed))
        self.logs = facts.logs
        state, start = await self._from_snapshot(committed, facts)
        self.is_snapshot = start == committed
        self._note_missed(state, start, committed, facts)
        offsets, folded = dict(start), 0
        chunks = self._log.read(start=start, end=committed)
        async with contextlib.aclosing(chunks):
            async for chunk in chunks:
                if skipped is None:
                    # The first chunk has the oldest record: topics take turns by time.
                    skipped = set(await self._read_quarantined(since_ms=chunk[0].timestamp))
                records = _without(skipped, chunk)
                try:
                    await self._stage.apply(state, records)
                except NOT_POISON:
                    raise
                except Exception:  # foreign code: any other error is about these records
                    state = await self._skip_poison(records, offsets, skipped)
                offsets[chunk[0].topic] = chunk[-1].offset + 1
                folded += len(records)
                self.is_snapshot = False
                self._on_progress()
        logger.info(
            "recovery.done",
            extra={
                "stage": self._stage.name,
                "partition": self._ref.partition,
                "records_folded": folded,
            },
        )
        return state

    async def _read_quarantined(self, *, since_ms: int) -> RecordIds:
        return await self._log.read_quarantined(stage=self._stage.name, since_ms=since_ms)

    async def _skip_poison(
        self,
        records: Sequence[SourceRecord],
        before: Mapping[str, int],
        skipped: set[tuple[str, int]],
    ) -> State:
        """Fold ``records`` without those on which the stage raises now but did not when committed.

        Their outputs are in Kafka and they have no dead letter: an older version of the stage could
        process them, or the dead letter has expired. All that is left to do is to raise an alarm.
        """

        async def note(part: Sequence[SourceRecord], outputs: Outputs) -> None:
            for dead_letter in outputs.dead:
                if dead_letter.reason not in QUARANTINE_REASONS:
                    continue
                record = dead_letter.record
                skipped.add((record.topic, record.offset))
                logger.error(
                    "recovery.record_left_out",
                    extra={
                        "stage": self._stage.name,
                        "topic": record.topic,
                        "partition": self._ref.partition,
                        "offset": record.offset,
                        "reason": dead_letter.detail,
                    },
                )
            self._on_progress()

        return await fold_without_poison(
            self._stage,
            await self._rebuild(before, skipped=skipped),
            records,
            partition=self._ref.partition,
            apply=self._stage.apply,
            commit=note,
            failure_limit=self._failure_limit,
        )

    async def _from_snapshot(
        self, committed: Mapping[str, int], facts: LogFacts
    ) -> tuple[State, Mapping[str, int]]:
        """The state of the newest usable snapshot and its offsets, or a new state and zeros."""
        stage, partition = self._stage, self._ref.partition
        for snapshot in self._snapshots.candidates(partition):
            ahead = any(offset > committed.get(t, 0) for t, offset in snapshot.offsets.items())
            if ahead or set(snapshot.offsets) != set(committed):
                continue
            if not await self._of_these_logs(snapshot, facts):
                self._refuse("it was made from a topic that has been made again since")
                continue
            try:
                return stage.restore(partition, snapshot.data), snapshot.offsets
            except ValueError as error:
                self._refuse(str(error))
        return stage.new_state(partition), dict.fromkeys(committed, 0)

    async def _of_these_logs(self, snapshot: Snapshot, facts: LogFacts) -> bool:
        if snapshot.logs and facts.logs:
            return dict(snapshot.logs) == dict(facts.logs)
        begun = [topic for topic, offset in snapshot.offsets.items() if offset]
        return await self._log.older_than(begun, snapshot.written_at_ms)

    def _refuse(self, reason: str) -> None:
        logger.warning(
            "snapshot.refused",
            extra={
                "stage": self._stage.name,
                "partition": self._ref.partition,
                "reason": reason,
            },
        )

    def _note_missed(
        self,
        state: State,
        start: Mapping[str, int],
        committed: Mapping[str, int],
        facts: LogFacts,
    ) -> None:
        """Tell the state of the offsets from ``start`` on that no log has any more."""
        missed = 0
        for topic, offset in start.items():
            begins = min(facts.beginnings[topic], committed[topic])
            if begins <= offset:
                continue
            missed += begins - offset
            logger.error(
                "recovery.gap",
                extra={
                    "stage": self._stage.name,
                    "topic": topic,
                    "partition": self._ref.partition,
                    "from": offset,
                    "to": begins,
                },
            )
        if missed and isinstance(self._stage, CanMissRecords):
            self._stage.missed(state, missed)


def _without(
    skipped: set[tuple[str, int]], records: Sequence[SourceRecord]
) -> Sequence[SourceRecord]:
    if not skipped:
        return records  # packed records stay packed
    return [record for record in records if (record.topic, record.offset) not in skipped]
