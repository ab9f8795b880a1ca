"""Read whole topics for commands and reports: without a consumer group, so nothing is committed."""

import asyncio
import base64
import json
import logging
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Coroutine,
    Iterable,
    Mapping,
    Sequence,
)
from typing import Any, TypeVar

from aiokafka.errors import KafkaError, TopicAuthorizationFailedError
from aiokafka.structs import TopicPartition

from gnomon.connection import KafkaConnection, aiokafka_clients
from gnomon.connection.refusals import broker_error, unavailable
from gnomon.errors import BrokerUnavailableError, ConfigurationError
from gnomon.records import SourceRecord
from gnomon.topics import BY_NAME, DEAD_LETTERS

logger = logging.getLogger(__name__)
T = TypeVar("T")

RETRY_S = 3.0
"""For how long a request is repeated while brokers are busy or starting."""
TOPICS_KNOWN_S = 10.0
"""How long a broker may take to know its topics after it has started."""


async def read_topic(
    *, kafka: KafkaConnection, topic: str, follow: bool, last: int | None = None
) -> AsyncIterator[SourceRecord]:
    """Yield the committed records of all partitions of ``topic``.

    Args:
        kafka: The cluster.
        topic: Full name.
        follow: At the end, wait for more records instead of returning.
        last: How many offsets before the end of each partition to start; by default at the beginning.

    Raises:
        BrokerUnavailableError: No broker answers.
        ConfigurationError: There is no such topic.
    """
    partitions = (await partitions_of(kafka, [topic])).get(topic)
    if not partitions:
        raise ConfigurationError(f"there is no topic {topic!r}: gnomon topics create")
    consumer = aiokafka_clients.consumer(
        kafka, isolation_level="read_committed", auto_offset_reset="earliest"
    )
    try:
        await consumer.start()
        try:
            ends = await consumer.end_offsets(partitions)
            consumer.assign(partitions)
            await consumer.seek_to_beginning(*partitions)
            if last is not None:
                begins = await consumer.beginning_offsets(partitions)
                for tp in partitions:
                    consumer.seek(tp, max(begins[tp], ends[tp] - last))
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
        raise await broker_error(kafka, error) from error


async def partitions_of(
    kafka: KafkaConnection, topics: Sequence[str], *, within_s: float = RETRY_S
) -> dict[str, list[TopicPartition]]:
    """Return the partitions of those of ``topics`` that exist, by topic.

    Raises:
        BrokerUnavailableError: No broker answers, or this user may not read one of them.
    """
    try:
        described = await retry_transient(lambda: _describe(kafka, topics), within_s=within_s)
    except KafkaError as error:
        raise await broker_error(kafka, error) from error
    for found in described:
        if found["error_code"] == TopicAuthorizationFailedError.errno:
            raise unavailable(str(kafka), TopicAuthorizationFailedError(found["topic"]))
    return {
        found["topic"]: [
            TopicPartition(found["topic"], number)
            for number in sorted(p["partition"] for p in found["partitions"])
        ]
        for found in described
        if not found["error_code"]
    }


async def retry_transient(request: Callable[[], Awaitable[T]], *, within_s: float) -> T:
    """Await ``request``, and repeat it for ``within_s`` seconds while its error is retriable.

    Raises:
        KafkaError: The error of the last attempt.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + within_s
    while True:
        try:
            return await request()
        except KafkaError as error:
            if not error.retriable or loop.time() > deadline:
                raise
        await asyncio.sleep(0.2)


async def all_at_once(reads: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """Await all of ``reads`` at once; the first error ends the others, and is raised when they have ended."""
    tasks = [asyncio.create_task(each) for each in reads]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _describe(kafka: KafkaConnection, topics: Sequence[str]) -> Sequence[Mapping[str, Any]]:
    admin = aiokafka_clients.admin(kafka)
    try:
        await admin.start()
        found: Sequence[Mapping[str, Any]] = await admin.describe_topics(list(topics))
    finally:
        await admin.close()
    return found


async def require_topics(kafka: KafkaConnection, topics: Sequence[str], *, within_s: float) -> None:
    """Check that ``topics`` exist; a broker that has just started may need a moment to know them.

    Args:
        kafka: The cluster.
        topics: Full names.
        within_s: For how long brokers that do not answer are asked again.

    Raises:
        BrokerUnavailableError: No broker answers.
        ConfigurationError: One does not exist.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + within_s + TOPICS_KNOWN_S
    while missing := sorted(
        set(topics) - set(await partitions_of(kafka, topics, within_s=within_s))
    ):
        if loop.time() > deadline:
            own = missing[0].endswith(tuple(BY_NAME))
            how = "gnomon topics create" if own else "it is not gnomon's own, so make it first"
            raise ConfigurationError(f"there is no topic {missing[0]!r}: {how}")
        await asyncio.sleep(0.5)


async def await_topics(
    kafka: KafkaConnection, topics: Sequence[str], *, wait_for_broker_s: float
) -> None:
    """Check that ``topics`` exist, as ``require_topics`` does.

    Args:
        kafka: The cluster.
        topics: Full names.
        wait_for_broker_s: How much longer to wait, with a line in the log, if no broker answers.
    """
    try:
        await require_topics(kafka, topics, within_s=RETRY_S)
    except BrokerUnavailableError as error:
        if not wait_for_broker_s:
            raise
        logger.warning("broker.awaited", extra={"reason": str(error)})
        await require_topics(kafka, topics, within_s=wait_for_broker_s)


def as_json(record: SourceRecord) -> bytes:
    """Return a value as one line of JSON; for a dead letter, with its source and its reason."""
    if record.topic.endswith(DEAD_LETTERS.name):
        headers = {name.removeprefix("gnomon-"): v.decode() for name, v in record.headers}
        return json.dumps({**headers, "value": _as_text(record.value)}).encode()
    if record.value is None:
        return json.dumps({"key": _as_text(record.key), "deleted": True}).encode()
    return record.value


def with_offset(record: SourceRecord, line: bytes) -> bytes:
    """Return a JSON object with the fields ``partition`` and ``offset`` in front; other JSON unchanged."""
    if not line.startswith(b'{"'):
        return line
    return b'{"partition":%d,"offset":%d,%b' % (record.partition, record.offset, line[1:])


def _as_text(raw: bytes | None) -> str | None:
    if raw is None:
        return None
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return f"base64:{base64.b64encode(raw).decode()}"
