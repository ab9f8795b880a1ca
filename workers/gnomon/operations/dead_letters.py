"""Reads dead letters, and redrives them: publishes their records to the topics they came from."""

from collections import deque
from collections.abc import AsyncIterator, Awaitable
from dataclasses import dataclass, field
from typing import Self

from aiokafka.errors import KafkaError

from gnomon.connection import KafkaConnection, aiokafka_clients
from gnomon.connection.refusals import broker_error
from gnomon.records import REDRIVEN, SourceRecord
from gnomon.runtime.kafka.reading import read_topic
from gnomon.topics import DEAD_LETTERS

SEND_TIMEOUT_MS = 20_000
MAX_IN_FLIGHT = 500


@dataclass(frozen=True, slots=True)
class DeadLetterRecord:
    """One dead letter.

    Attributes:
        partition: Partition of the dead letter itself.
        offset: Offset of the dead letter itself.
        at_ms: When it was written, epoch milliseconds.
        key: Key of the original record.
        value: Value of the original record.
        headers: Without the prefix ``gnomon-``: stage, reason, detail, topic, partition, offset.
    """

    partition: int
    offset: int
    at_ms: int
    key: bytes | None
    value: bytes | None
    headers: dict[str, str] = field(default_factory=dict)

    @classmethod
    def from_record(cls, record: SourceRecord) -> Self:
        """Decode a record of the dead-letter topic."""
        headers = {
            name.removeprefix("gnomon-"): value.decode(errors="replace")
            for name, value in record.headers
        }
        return cls(
            record.partition, record.offset, record.timestamp, record.key, record.value, headers
        )

    @property
    def id(self) -> str:
        """``partition:offset``, which identifies it in commands."""
        return f"{self.partition}:{self.offset}"

    @property
    def source(self) -> tuple[str, int] | None:
        """Topic and partition of the original record; ``None`` if the headers lack them."""
        topic, partition = self.headers.get("topic", ""), self.headers.get("partition", "")
        return (topic, int(partition)) if topic and partition.isdecimal() else None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetterFilter:
    """Selects dead letters; a condition that is ``None`` or empty matches all."""

    reason: str | None = None
    stage: str | None = None
    ids: frozenset[str] = frozenset()

    def __contains__(self, dead_letter: DeadLetterRecord) -> bool:
        return (
            self.reason in (None, dead_letter.headers.get("reason"))
            and self.stage in (None, dead_letter.headers.get("stage"))
            and (not self.ids or dead_letter.id in self.ids)
        )


async def read_dead_letters(
    *, kafka: KafkaConnection, prefix: str, selected: DeadLetterFilter
) -> AsyncIterator[DeadLetterRecord]:
    """Yield the selected dead letters, in the order of each partition.

    Raises:
        BrokerUnavailableError: No broker answers.
        ConfigurationError: There is no dead-letter topic.
    """
    async for record in read_topic(kafka=kafka, topic=prefix + DEAD_LETTERS.name, follow=False):
        dead_letter = DeadLetterRecord.from_record(record)
        if dead_letter in selected:
            yield dead_letter


async def redrive(
    dead_letters: AsyncIterator[DeadLetterRecord], *, kafka: KafkaConnection
) -> AsyncIterator[DeadLetterRecord]:
    """Publish the original key and value of each dead letter to the partition they came from.

    Yields:
        Each dead letter when its record is written; one without a known source is skipped.

    Raises:
        BrokerUnavailableError: Not all could be written.
    """
    producer = aiokafka_clients.producer(
        kafka,
        acks="all",
        enable_idempotence=True,
        linger_ms=5,
        request_timeout_ms=SEND_TIMEOUT_MS,
        max_request_size=8 << 20,
    )
    pending: deque[tuple[DeadLetterRecord, Awaitable[object]]] = deque()
    try:
        await producer.start()
        async for dead_letter in dead_letters:
            if dead_letter.source is None:
                continue
            topic, partition = dead_letter.source
            delivery = await producer.send(
                topic,
                value=dead_letter.value,
                key=dead_letter.key,
                partition=partition,
                headers=[(REDRIVEN, dead_letter.id.encode())],
            )
            pending.append((dead_letter, delivery))
            if len(pending) >= MAX_IN_FLIGHT:
                yield await _await_delivery(pending)
        while pending:
            yield await _await_delivery(pending)
    except KafkaError as error:
        raise await broker_error(kafka, error) from error
    finally:
        await producer.stop()


async def _await_delivery(
    pending: deque[tuple[DeadLetterRecord, Awaitable[object]]],
) -> DeadLetterRecord:
    dead_letter, delivery = pending.popleft()
    await delivery
    return dead_letter
