"""Dead letters: what they say, and sending them back where they came from."""

from collections import deque
from collections.abc import AsyncIterator, Awaitable
from dataclasses import dataclass, field
from typing import Self

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from gnomon.records import REDRIVEN, SourceRecord
from gnomon.runtime.kafka.reading import broker_unavailable, read_topic
from gnomon.topics import DEAD_LETTERS

SEND_WITHIN_MS = 20_000
IN_FLIGHT = 500


@dataclass(frozen=True, slots=True)
class DeadLetterRecord:
    """One record of the dead-letter topic.

    Attributes:
        partition: Of the letter itself.
        offset: Of the letter itself.
        at_ms: When it was written.
        key: The record's own.
        value: The record's own.
        about: Headers without ``gnomon-``: stage, reason, detail, topic, partition, offset.
    """

    partition: int
    offset: int
    at_ms: int
    key: bytes | None
    value: bytes | None
    about: dict[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, record: SourceRecord) -> Self:
        """From the record."""
        about = {
            name.removeprefix("gnomon-"): value.decode(errors="replace")
            for name, value in record.headers
        }
        return cls(
            record.partition, record.offset, record.timestamp, record.key, record.value, about
        )

    @property
    def place(self) -> str:
        """``partition:offset``, by which it is called."""
        return f"{self.partition}:{self.offset}"

    @property
    def source(self) -> tuple[str, int] | None:
        """Topic and partition it came from; ``None`` if the headers do not say."""
        topic, partition = self.about.get("topic", ""), self.about.get("partition", "")
        return (topic, int(partition)) if topic and partition.isdecimal() else None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetterFilter:
    """Which letters; what is ``None`` or empty matches all."""

    reason: str | None = None
    stage: str | None = None
    places: frozenset[str] = frozenset()

    def __contains__(self, letter: DeadLetterRecord) -> bool:
        return (
            self.reason in (None, letter.about.get("reason"))
            and self.stage in (None, letter.about.get("stage"))
            and (not self.places or letter.place in self.places)
        )


async def read_dead_letters(
    *, brokers: str, prefix: str, wanted: DeadLetterFilter
) -> AsyncIterator[DeadLetterRecord]:
    """Those wanted, by partition in the order they were written.

    Raises:
        BrokerUnavailableError: No broker answers.
        ConfigurationError: There is no dead-letter topic.
    """
    async for record in read_topic(brokers=brokers, topic=prefix + DEAD_LETTERS.name, follow=False):
        letter = DeadLetterRecord.read(record)
        if letter in wanted:
            yield letter


async def redrive(
    letters: AsyncIterator[DeadLetterRecord], *, brokers: str
) -> AsyncIterator[DeadLetterRecord]:
    """Publish the original bytes, under the original key, where each came from.

    Yields:
        Each letter when its record is written; one that does not say where it came from is
        passed over.

    Raises:
        BrokerUnavailableError: Not all could be written.
    """
    producer = AIOKafkaProducer(
        bootstrap_servers=brokers,
        acks="all",
        enable_idempotence=True,
        linger_ms=5,
        request_timeout_ms=SEND_WITHIN_MS,
        max_request_size=8 << 20,
    )
    pending: deque[tuple[DeadLetterRecord, Awaitable[object]]] = deque()
    try:
        await producer.start()
        async for letter in letters:
            if letter.source is None:
                continue
            topic, partition = letter.source
            delivery = await producer.send(
                topic,
                value=letter.value,
                key=letter.key,
                partition=partition,
                headers=[(REDRIVEN, letter.place.encode())],
            )
            pending.append((letter, delivery))
            if len(pending) >= IN_FLIGHT:
                yield await _delivered(pending)
        while pending:
            yield await _delivered(pending)
    except KafkaError as error:
        raise broker_unavailable(brokers, error) from error
    finally:
        await producer.stop()


async def _delivered(
    pending: deque[tuple[DeadLetterRecord, Awaitable[object]]],
) -> DeadLetterRecord:
    letter, delivery = pending.popleft()
    await delivery
    return letter
