"""Rebuild one partition's state: newest usable snapshot, then the log up to what was committed.

Everything folded here was folded before, by whoever committed those offsets, so its outputs are
already written and are dropped. Records that were left out then are left out again (``poison``).
"""

import contextlib
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Generic, TypeVar

from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from aiokafka.structs import TopicPartition

from gnomon.errors import BrokerUnavailableError
from gnomon.records import Outputs, SourceRecord
from gnomon.runtime.partition.failure_limit import ConsecutiveFailureLimit
from gnomon.runtime.partition.log_range import read_range
from gnomon.runtime.partition.poison import NOT_POISON, QUARANTINE_REASONS, fold_without_poison
from gnomon.runtime.partition.ports import PartitionRef, Stage
from gnomon.runtime.partition.quarantine import read_quarantined
from gnomon.runtime.partition.snapshots import SnapshotStore

logger = logging.getLogger(__name__)
State = TypeVar("State")


async def resume_offsets(place: PartitionRef, topics: Sequence[str]) -> dict[str, int]:
    """Next offset to read by topic: as the group committed it, or else where the log begins.

    Raises:
        BrokerUnavailableError: The brokers did not say.
    """
    tps = [TopicPartition(topic, place.partition) for topic in topics]
    admin = AIOKafkaAdminClient(bootstrap_servers=place.brokers)
    consumer = AIOKafkaConsumer(bootstrap_servers=place.brokers)
    try:
        await admin.start()
        await consumer.start()
        found = await admin.list_consumer_group_offsets(place.group, partitions=tps)
        earliest = await consumer.beginning_offsets(tps)
    except KafkaError as error:
        raise BrokerUnavailableError(f"offsets of {place.group}: {error!r}") from error
    finally:
        await consumer.stop()
        await admin.close()
    offsets = {}
    for tp in tps:
        committed = found[tp].offset if tp in found else -1
        offsets[tp.topic] = max(committed, earliest[tp])
        if 0 <= committed < earliest[tp]:
            logger.error(
                "log.lost",
                extra={
                    "topic": tp.topic,
                    "partition": place.partition,
                    "from": committed,
                    "to": earliest[tp],
                },
            )
    return offsets


class Recovery(Generic[State]):
    """The way back to a state.

    Args:
        stage: Whose state.
        place: Which partition, and where its log is.
        snapshots: Where a shorter way may be found.
        advanced: Called after each step.
        failure_limit: Told of records on which the stage raises.
    """

    def __init__(
        self,
        stage: Stage[State],
        place: PartitionRef,
        *,
        snapshots: SnapshotStore,
        advanced: Callable[[], None],
        failure_limit: ConsecutiveFailureLimit,
    ) -> None:
        self._stage, self._place = stage, place
        self._snapshots, self._advanced, self._breaker = snapshots, advanced, failure_limit
        self._skips: set[tuple[str, int]] | None = None

    async def rebuild(self, committed: Mapping[str, int]) -> State:
        """The state after exactly the records before ``committed``: next offset by full topic.

        Raises:
            BrokerUnavailableError: The log could not be read.
        """
        if not self._stage.stateful:
            return self._stage.new_state(self._place.partition)
        state, offsets = self._from_snapshot(committed)
        done, folded = dict(offsets), 0
        chunks = read_range(
            brokers=self._place.brokers,
            partition=self._place.partition,
            start=offsets,
            end=committed,
        )
        async with contextlib.aclosing(chunks):
            async for chunk in chunks:
                records = await self._without_skipped(chunk)
                try:
                    await self._stage.apply(state, records)
                except NOT_POISON:
                    raise
                except Exception:  # foreign code: whatever it raises is about these records
                    state = await self._around_poison(records, done)
                done[chunk[0].topic] = chunk[-1].offset + 1
                folded += len(records)
                self._advanced()
        logger.info(
            "recovery.done",
            extra={
                "stage": self._stage.name,
                "partition": self._place.partition,
                "records_folded": folded,
            },
        )
        return state

    async def _without_skipped(self, chunk: Sequence[SourceRecord]) -> Sequence[SourceRecord]:
        if self._skips is None:
            self._skips = set(
                await read_quarantined(
                    brokers=self._place.brokers,
                    prefix=self._place.prefix,
                    stage=self._stage.name,
                    partition=self._place.partition,
                    since_ms=chunk[0].timestamp,  # the oldest there is: topics take turns by time
                )
            )
        if not self._skips:
            return chunk
        return [record for record in chunk if (record.topic, record.offset) not in self._skips]

    async def _around_poison(
        self, records: Sequence[SourceRecord], before: Mapping[str, int]
    ) -> State:
        """Leave out what raises now though it did not when it was committed.

        Its outputs are written and it has no dead letter: an older version of the stage could
        fold it, or the letter is gone. Nothing but an alarm can be made of it.
        """

        async def note(part: Sequence[SourceRecord], outputs: Outputs) -> None:
            for letter in outputs.dead:
                if letter.reason not in QUARANTINE_REASONS:
                    continue
                place = (letter.record.topic, letter.record.offset)
                self._skips = (self._skips or set()) | {place}
                logger.error(
                    "recovery.record_left_out",
                    extra={
                        "stage": self._stage.name,
                        "topic": place[0],
                        "partition": self._place.partition,
                        "offset": place[1],
                        "reason": letter.detail,
                    },
                )
            self._advanced()

        return await fold_without_poison(
            self._stage,
            await self.rebuild(before),
            records,
            partition=self._place.partition,
            apply=self._stage.apply,
            commit=note,
            failure_limit=self._breaker,
        )

    def _from_snapshot(self, committed: Mapping[str, int]) -> tuple[State, Mapping[str, int]]:
        stage, partition = self._stage, self._place.partition
        for snapshot in self._snapshots.candidates(partition):
            ahead = any(offset > committed.get(t, 0) for t, offset in snapshot.offsets.items())
            if ahead or set(snapshot.offsets) != set(committed):
                continue
            try:
                return stage.restore(partition, snapshot.data), snapshot.offsets
            except ValueError as error:
                logger.warning(
                    "snapshot.refused", extra={"stage": stage.name, "reason": str(error)}
                )
        return stage.new_state(partition), dict.fromkeys(committed, 0)
