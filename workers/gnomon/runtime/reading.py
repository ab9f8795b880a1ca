"""Read topics for people and reports: without a group, nothing is committed."""

import base64
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError
from aiokafka.structs import TopicPartition

from gnomon.errors import BrokerUnavailableError, ConfigurationError
from gnomon.records import SourceRecord
from gnomon.topics import DEAD_LETTERS


async def read_topic(
    *, brokers: str, topic: str, follow: bool, from_end: bool = False
) -> AsyncIterator[SourceRecord]:
    """Committed records of all partitions of ``topic`` (full name).

    Args:
        brokers: ``host:port``, comma-separated.
        topic: Full name.
        follow: Wait for more at the end instead of ending there.
        from_end: Begin at the end instead of the beginning.

    Raises:
        BrokerUnavailableError: No broker answers.
        ConfigurationError: There is no such topic.
    """
    consumer = AIOKafkaConsumer(
        bootstrap_servers=brokers, isolation_level="read_committed", auto_offset_reset="earliest"
    )
    try:
        await consumer.start()
        try:
            partitions = await _partitions(consumer, topic)
            ends = await consumer.end_offsets(partitions)
            consumer.assign(partitions)
            if from_end:
                await consumer.seek_to_end(*partitions)
            else:
                await consumer.seek_to_beginning(*partitions)
            while follow or [tp for tp in partitions if await consumer.position(tp) < ends[tp]]:
                fetched: Mapping[Any, Sequence[SourceRecord]] = await consumer.getmany(
                    timeout_ms=200, max_records=8192
                )
                for records in fetched.values():
                    for record in records:
                        yield record
        finally:
            await consumer.stop()
    except KafkaError as error:
        raise BrokerUnavailableError(f"{brokers}: {error!r}; is a broker running there?") from error


async def _partitions(consumer: AIOKafkaConsumer, topic: str) -> list[TopicPartition]:
    if topic not in await consumer.topics():
        raise ConfigurationError(f"there is no topic {topic!r}: gnomon topics create")
    return [TopicPartition(topic, p) for p in sorted(consumer.partitions_for_topic(topic) or ())]


def as_json(record: SourceRecord) -> bytes:
    """A record's value as one line of JSON; a dead letter with where it came from and why."""
    if record.topic.endswith(DEAD_LETTERS.name):
        about = {name.removeprefix("gnomon-"): v.decode() for name, v in record.headers}
        return json.dumps({**about, "value": _readable(record.value)}).encode()
    if record.value is None:
        return json.dumps({"key": _readable(record.key), "deleted": True}).encode()
    return record.value


def _readable(raw: bytes | None) -> str | None:
    if raw is None:
        return None
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return f"base64:{base64.b64encode(raw).decode()}"
