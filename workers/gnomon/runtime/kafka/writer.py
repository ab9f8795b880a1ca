"""Outputs and input offsets of one partition, together in one Kafka transaction.

The transactional id is made of the stage and the *input partition*: whoever takes the partition
over starts its producer first, which aborts or completes what the last owner left open and
fences it (KIP-98; no member generation is sent with the offsets, so an id per process would not
fence).
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from types import TracebackType
from typing import Self

from aiokafka.errors import (
    KafkaError,
    MessageSizeTooLargeError,
    OutOfOrderSequenceNumber,
    ProducerFenced,
    RecordListTooLargeError,
)
from aiokafka.partitioner import DefaultPartitioner
from aiokafka.structs import TopicPartition

from gnomon.errors import BrokerUnavailableError, FencedError, OutputTooLargeError
from gnomon.records import DeadLetter, Keyed, Outputs
from gnomon.runtime.kafka.produce_requests import MAX_BATCH_BYTES, RecordBatch, new_batch
from gnomon.runtime.kafka.transaction import TransactionalProducer
from gnomon.topics import DEAD_LETTERS, MAX_EVENT_BYTES

MAX_DEAD_LETTER_BYTES = 8_000_000
"""Most of a refused value that is kept: the topic of dead letters takes little more. A topic's
limit is of compressed bytes, so a record read can be of any size."""
_FENCED = (ProducerFenced, OutOfOrderSequenceNumber)
_TOO_LARGE = (MessageSizeTooLargeError, RecordListTooLargeError)

Batches = dict[TopicPartition, list[RecordBatch]]


class TransactionalWriter:
    """The one writer of one stage's partition. Async context manager."""

    def __init__(
        self, *, brokers: str, group: str, stage: str, partition: int, prefix: str
    ) -> None:
        self._group, self._stage, self._partition = group, stage, partition
        self._brokers, self._prefix = brokers, prefix
        self._producer = self._new_producer()

    def _new_producer(self) -> TransactionalProducer:
        return TransactionalProducer(self._brokers, f"{self._group}-{self._partition}")

    async def __aenter__(self) -> Self:
        await self._start()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._producer.stop()

    async def write(self, outputs: Outputs, offsets: Mapping[str, int]) -> None:
        """Write all of ``outputs`` and commit ``offsets``, or none of both.

        Args:
            outputs: Records by base topic name, which are taken out of it; each goes to this
                partition's number, unless its topic is one of those partitioned by key.
            offsets: Next offset to read, by full topic name; empty for outputs of a tick.

        Raises:
            FencedError: Another worker owns the partition.
            OutputTooLargeError: A topic takes no batch as large as one of a single output.
            BrokerUnavailableError: The transaction could not be completed.
        """
        try:
            await self._producer.write(
                await self._batches(outputs),
                {TopicPartition(topic, self._partition): at for topic, at in offsets.items()},
                group=self._group,
            )
        except _FENCED as error:
            raise FencedError(f"{self._stage}[{self._partition}]: {error!r}") from error
        except _TOO_LARGE as error:
            await self._begin_again()
            raise OutputTooLargeError(f"a topic refused it: {error!r}") from error
        except KafkaError as error:
            raise BrokerUnavailableError(f"{self._stage}[{self._partition}]: {error!r}") from error

    async def _begin_again(self) -> None:
        """A batch that was refused has taken its sequence numbers; only a new producer is given new."""
        await self._producer.stop()
        self._producer = self._new_producer()
        await self._start()

    async def _start(self) -> None:
        try:
            await self._producer.start()
        except KafkaError as error:
            await self._producer.stop()
            raise BrokerUnavailableError(f"{self._brokers}: {error!r}") from error

    async def _batches(self, outputs: Outputs) -> Batches:
        batches: Batches = defaultdict(list)
        # In batches they are there a second time: megabytes, until the transaction has ended.
        by_topic, outputs.by_topic = outputs.by_topic, {}
        while by_topic:
            name, records = by_topic.popitem()
            topic = self._prefix + name
            if records and name in outputs.by_key:
                for partition, part in (await self._by_key(topic, records)).items():
                    batches[TopicPartition(topic, partition)] += _batched(part)
            elif records:
                batches[TopicPartition(topic, self._partition)] += _batched(records)
        for letter in outputs.dead:
            await self._add_dead(letter, batches)
        return batches

    async def _by_key(self, topic: str, records: Sequence[Keyed]) -> Mapping[int, list[Keyed]]:
        """The records by partition of ``topic``, as Kafka's own clients would choose it."""
        known = await self._producer.partitions_of(topic)
        place = DefaultPartitioner()
        parts: dict[int, list[Keyed]] = {}
        for record in records:
            parts.setdefault(place(record[0], known, known), []).append(record)
        return parts

    async def _add_dead(self, letter: DeadLetter, batches: Batches) -> None:
        record = letter.record
        topic = self._prefix + DEAD_LETTERS.name
        # An input that is not gnomon's own may have more partitions.
        partition = self._partition % len(await self._producer.partitions_of(topic))
        key = record.key if record.key is not None or record.value is not None else b""
        those = batches[TopicPartition(topic, partition)]
        dead = (
            key and key[:MAX_EVENT_BYTES],
            record.value and record.value[:MAX_DEAD_LETTER_BYTES],
            list(_why(letter, stage=self._stage)),
        )
        if not those or not those[-1].take(*dead):
            those.append(new_batch())
            those[-1].take(*dead)


def _batched(rows: list[Keyed]) -> list[RecordBatch]:
    """As few batches as hold them.

    Raises:
        OutputTooLargeError: One of the rows is too large to be sent.
    """
    batches: list[RecordBatch] = []
    done = 0
    while done < len(rows):
        batch = new_batch()
        done = batch.fill(rows, done)
        if batch.size_bytes > MAX_BATCH_BYTES:
            raise OutputTooLargeError(f"{batch.size_bytes} bytes, expected up to {MAX_BATCH_BYTES}")
        batches.append(batch)
    return batches


def _why(letter: DeadLetter, *, stage: str) -> Iterable[tuple[str, bytes]]:
    record, detail = letter.record, letter.detail
    if record.value is not None and len(record.value) > MAX_DEAD_LETTER_BYTES:
        detail = f"{detail}; the first {MAX_DEAD_LETTER_BYTES} are kept"
    yield "gnomon-stage", stage.encode()
    yield "gnomon-reason", letter.reason.encode()
    yield "gnomon-detail", detail.encode()
    yield "gnomon-topic", record.topic.encode()
    yield "gnomon-partition", str(record.partition).encode()
    yield "gnomon-offset", str(record.offset).encode()
