"""Reads a bounded range of the committed log of one partition."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from typing import Any

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError
from aiokafka.structs import TopicPartition

from gnomon.connection import KafkaConnection, aiokafka_clients
from gnomon.connection.refusals import unavailable
from gnomon.errors import BrokerUnavailableError
from gnomon.records import SourceRecord

STALL_S = 60.0
CHUNK_RECORDS = 4096


async def read_range(
    *, kafka: KafkaConnection, partition: int, start: Mapping[str, int], end: Mapping[str, int]
) -> AsyncGenerator[list[SourceRecord], None]:
    """Yield committed records from ``start`` up to but without ``end``, in batches of one topic.

    Topics take turns by the time of their records, so that a fold over several topics sees records
    nearly in their original order. Offsets that retention has removed are skipped.

    Args:
        kafka: The cluster.
        partition: Partition number in every topic.
        start: First offset, by full topic name.
        end: Offset after the last, by full topic name.

    Raises:
        BrokerUnavailableError: No broker answers, or nothing was read for ``STALL_S`` seconds.
    """
    if all(start[topic] >= offset for topic, offset in end.items()):
        return
    tps = [TopicPartition(topic, partition) for topic in end]
    consumer = aiokafka_clients.consumer(
        kafka,
        isolation_level="read_committed",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=4 << 20,
    )
    try:
        await consumer.start()
        consumer.assign(tps)
        beginnings = await consumer.beginning_offsets(tps)
        for tp in tps:
            consumer.seek(tp, max(start[tp.topic], beginnings[tp]))
        chunks = {tp: await _next_chunk(consumer, tp, end[tp.topic]) for tp in tps}
        while waiting := [tp for tp in tps if chunks[tp]]:
            oldest = min(waiting, key=lambda tp: chunks[tp][0].timestamp)
            yield chunks[oldest]
            chunks[oldest] = await _next_chunk(consumer, oldest, end[oldest.topic])
    except KafkaError as error:
        raise unavailable(f"{', '.join(end)}[{partition}]", error) from error
    finally:
        await consumer.stop()


async def _next_chunk(
    consumer: AIOKafkaConsumer, tp: TopicPartition, end: int
) -> list[SourceRecord]:
    """Return the next records of ``tp`` before ``end``; none at the end."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + STALL_S
    while (position := await consumer.position(tp)) < end:
        fetched: dict[Any, list[Any]] = await consumer.getmany(
            tp, timeout_ms=500, max_records=CHUNK_RECORDS
        )
        records = fetched.get(tp, [])
        if records and records[-1].offset >= end:
            records = [record for record in records if record.offset < end]
        if records:
            return records
        if await consumer.position(tp) == position and loop.time() > deadline:
            raise BrokerUnavailableError(
                f"{tp.topic}[{tp.partition}]: nothing between {position} and {end}"
                f" for {STALL_S:.0f} s"
            )
    return []
