"""Rebuild one partition's state: newest usable snapshot, then the log up to what was committed.

Everything folded here was folded before, by whoever committed those offsets, so its outputs are
already written and are dropped.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, TypeVar

from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from aiokafka.structs import TopicPartition

from gnomon.errors import BrokerUnavailableError
from gnomon.records import SourceRecord
from gnomon.runtime.ports import Stage
from gnomon.runtime.snapshots import SnapshotStore

logger = logging.getLogger(__name__)
State = TypeVar("State")
STALL_S = 60.0
CHUNK_RECORDS = 4096


async def offsets_to_go_on_from(
    *, brokers: str, group: str, topics: Sequence[str], partition: int
) -> dict[str, int]:
    """Next offset to read by topic: as the group committed it, or else where the log begins.

    Raises:
        BrokerUnavailableError: The brokers did not say.
    """
    tps = [TopicPartition(topic, partition) for topic in topics]
    admin = AIOKafkaAdminClient(bootstrap_servers=brokers)
    consumer = AIOKafkaConsumer(bootstrap_servers=brokers)
    try:
        await admin.start()
        await consumer.start()
        found = await admin.list_consumer_group_offsets(group, partitions=tps)
        earliest = await consumer.beginning_offsets(tps)
    except KafkaError as error:
        raise BrokerUnavailableError(f"offsets of {group}: {error!r}") from error
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
                    "partition": partition,
                    "from": committed,
                    "to": earliest[tp],
                },
            )
    return offsets


async def rebuild(
    stage: Stage[State],
    *,
    partition: int,
    committed: Mapping[str, int],
    brokers: str,
    snapshots: SnapshotStore,
) -> State:
    """The state of ``stage`` after exactly the records before ``committed``.

    Args:
        stage: Whose state.
        partition: Which partition.
        committed: Next offset to read, by full topic name.
        brokers: Where the log is.
        snapshots: Where a shorter way may be found.
    """
    state, offsets = _from_snapshot(stage, partition, committed, snapshots)
    folded = 0
    async for records in read_range(
        brokers=brokers, partition=partition, start=offsets, end=committed
    ):
        await stage.apply(state, records)
        folded += len(records)
    logger.info(
        "recovery.done",
        extra={"stage": stage.name, "partition": partition, "records_folded": folded},
    )
    return state


def _from_snapshot(
    stage: Stage[State], partition: int, committed: Mapping[str, int], snapshots: SnapshotStore
) -> tuple[State, Mapping[str, int]]:
    for snapshot in snapshots.candidates(partition):
        ahead = any(offset > committed.get(t, 0) for t, offset in snapshot.offsets.items())
        if ahead or set(snapshot.offsets) != set(committed):
            continue
        try:
            return stage.restore(partition, snapshot.data), snapshot.offsets
        except ValueError as error:
            logger.warning("snapshot.refused", extra={"stage": stage.name, "reason": str(error)})
    return stage.new_state(partition), dict.fromkeys(committed, 0)


async def read_range(
    *, brokers: str, partition: int, start: Mapping[str, int], end: Mapping[str, int]
) -> AsyncIterator[list[SourceRecord]]:
    """Committed records from ``start`` up to but without ``end``, in batches of one topic.

    Topics take turns by the time of their records, so that a fold over several sees them nearly
    as they came. Offsets that retention has removed are passed over.

    Raises:
        BrokerUnavailableError: Nothing was read for ``STALL_S`` seconds.
    """
    tps = [TopicPartition(topic, partition) for topic in end]
    consumer = AIOKafkaConsumer(
        bootstrap_servers=brokers,
        isolation_level="read_committed",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=4 << 20,
    )
    await consumer.start()
    try:
        consumer.assign(tps)
        earliest = await consumer.beginning_offsets(tps)
        for tp in tps:
            consumer.seek(tp, max(start[tp.topic], earliest[tp]))
        chunks = {tp: await _next_chunk(consumer, tp, end[tp.topic]) for tp in tps}
        while waiting := [tp for tp in tps if chunks[tp]]:
            turn = min(waiting, key=lambda tp: chunks[tp][0].timestamp)
            yield chunks[turn]
            chunks[turn] = await _next_chunk(consumer, turn, end[turn.topic])
    finally:
        await consumer.stop()


async def _next_chunk(
    consumer: AIOKafkaConsumer, tp: TopicPartition, end: int
) -> list[SourceRecord]:
    """The next records of ``tp`` before ``end``; empty at the end."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + STALL_S
    while (position := await consumer.position(tp)) < end:
        fetched: dict[Any, list[Any]] = await consumer.getmany(
            tp, timeout_ms=500, max_records=CHUNK_RECORDS
        )
        if records := [r for r in fetched.get(tp, []) if r.offset < end]:
            return records
        if await consumer.position(tp) == position and loop.time() > deadline:
            raise BrokerUnavailableError(
                f"{tp.topic}[{tp.partition}]: nothing between {position} and {end}"
                f" for {STALL_S:.0f} s"
            )
    return []
