"""Writes outputs and input offsets of one partition in one Kafka transaction.

The transactional id consists of the consumer group and the *input partition*. A worker that takes the
partition over starts its producer first, which aborts or completes the transaction that the previous
worker left open, and fences that worker (KIP-98). An id per process would not fence, because no member
generation is sent with the offsets.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import TracebackType
from typing import Protocol, Self

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
from gnomon.runtime.kafka.transactions.produce_requests import (
    MAX_BATCH_BYTES,
    RecordBatch,
    new_batch,
)
from gnomon.runtime.kafka.transactions.producer import TransactionalProducer
from gnomon.topics import DEAD_LETTERS, MAX_EVENT_BYTES

MAX_DEAD_LETTER_BYTES = 8_000_000
"""A dead letter keeps this much of a value: its topic accepts little more. A topic's own limit counts
compressed bytes, so a record that was read can be larger."""
_FENCED = (ProducerFenced, OutOfOrderSequenceNumber)
_TOO_LARGE = (MessageSizeTooLargeError, RecordListTooLargeError)

Batches = dict[TopicPartition, list[RecordBatch]]


class Producer(Protocol):
    """A transactional producer; ``TransactionalProducer`` says what each method does and raises."""

    async def start(self) -> None: ...  # noqa: D102
    async def stop(self) -> None: ...  # noqa: D102
    async def partitions_of(self, topic: str) -> Sequence[int]: ...  # noqa: D102
    async def write(  # noqa: D102
        self,
        batches: Mapping[TopicPartition, Sequence[RecordBatch]],
        offsets: Mapping[TopicPartition, int],
        *,
        group: str,
    ) -> None: ...


class TransactionalWriter:
    """Async context manager: inside it, the only producer that can write for the partition.

    Args:
        brokers: ``host:port``, comma-separated.
        group: Consumer group of the stage, whose offsets are committed.
        stage: Named in dead letters and errors.
        partition: Input partition.
        prefix: Of every topic name.
        new_producer: Creates a producer from ``brokers`` and a transactional id.
    """

    def __init__(
        self,
        *,
        brokers: str,
        group: str,
        stage: str,
        partition: int,
        prefix: str,
        new_producer: Callable[[str, str], Producer] = TransactionalProducer,
    ) -> None:
        self._group, self._stage, self._partition = group, stage, partition
        self._brokers, self._prefix = brokers, prefix
        self._new_producer = new_producer
        self._producer = self._create_producer()

    def _create_producer(self) -> Producer:
        return self._new_producer(self._brokers, f"{self._group}-{self._partition}")

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
        """Write all of ``outputs`` and commit ``offsets``, or do neither.

        Args:
            outputs: Records by base topic name, which are moved out of it. Each record is written to
                this partition's number, unless its topic is in ``outputs.by_key``.
            offsets: Next offset to read, by full topic name; empty for outputs of a tick.

        Raises:
            FencedError: Another worker owns the partition.
            OutputTooLargeError: A topic refuses a batch because of its size.
            BrokerUnavailableError: The transaction could not be completed.
        """
        try:
            await self._producer.write(
                await self._build_batches(outputs),
                {TopicPartition(topic, self._partition): n for topic, n in offsets.items()},
                group=self._group,
            )
        except _FENCED as error:
            raise FencedError(f"{self._stage}[{self._partition}]: {error!r}") from error
        except _TOO_LARGE as error:
            await self._restart_producer()
            raise OutputTooLargeError(f"a topic refused it: {error!r}") from error
        except KafkaError as error:
            raise BrokerUnavailableError(f"{self._stage}[{self._partition}]: {error!r}") from error

    async def _restart_producer(self) -> None:
        """Replace the producer: a refused batch has used up sequence numbers of the old one."""
        await self._producer.stop()
        self._producer = self._create_producer()
        await self._start()

    async def _start(self) -> None:
        try:
            await self._producer.start()
        except KafkaError as error:
            await self._producer.stop()
            raise BrokerUnavailableError(f"{self._brokers}: {error!r}") from error

    async def _build_batches(self, outputs: Outputs) -> Batches:
        batches: Batches = defaultdict(list)
        # The batches copy the records; keeping both would hold megabytes until the transaction ends.
        by_topic, outputs.by_topic = outputs.by_topic, {}
        while by_topic:
            name, records = by_topic.popitem()
            topic = self._prefix + name
            if records and name in outputs.by_key:
                for partition, part in (await self._by_key(topic, records)).items():
                    batches[TopicPartition(topic, partition)] += _in_batches(part)
            elif records:
                batches[TopicPartition(topic, self._partition)] += _in_batches(records)
        for dead_letter in outputs.dead:
            await self._add_dead_letter(dead_letter, batches)
        return batches

    async def _by_key(self, topic: str, records: Sequence[Keyed]) -> Mapping[int, list[Keyed]]:
        """Group records by the partition of ``topic`` that Kafka's own clients would choose."""
        partitions = await self._producer.partitions_of(topic)
        choose = DefaultPartitioner()
        grouped: dict[int, list[Keyed]] = {}
        for record in records:
            grouped.setdefault(choose(record[0], partitions, partitions), []).append(record)
        return grouped

    async def _add_dead_letter(self, dead_letter: DeadLetter, batches: Batches) -> None:
        record = dead_letter.record
        topic = self._prefix + DEAD_LETTERS.name
        # An input topic that is not gnomon's own may have more partitions.
        partition = self._partition % len(await self._producer.partitions_of(topic))
        key = record.key if record.key is not None or record.value is not None else b""
        of_partition = batches[TopicPartition(topic, partition)]
        row = (
            key and key[:MAX_EVENT_BYTES],
            record.value and record.value[:MAX_DEAD_LETTER_BYTES],
            list(_dead_letter_headers(dead_letter, stage=self._stage)),
        )
        if not of_partition or not of_partition[-1].take(*row):
            of_partition.append(new_batch())
            of_partition[-1].take(*row)


def _in_batches(rows: list[Keyed]) -> list[RecordBatch]:
    """Fill as few batches as hold the rows.

    Raises:
        OutputTooLargeError: One row alone exceeds ``MAX_BATCH_BYTES``.
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


def _dead_letter_headers(dead_letter: DeadLetter, *, stage: str) -> Iterable[tuple[str, bytes]]:
    record, detail = dead_letter.record, dead_letter.detail
    if record.value is not None and len(record.value) > MAX_DEAD_LETTER_BYTES:
        detail = f"{detail}; the first {MAX_DEAD_LETTER_BYTES} are kept"
    yield "gnomon-stage", stage.encode()
    yield "gnomon-reason", dead_letter.reason.encode()
    yield "gnomon-detail", detail.encode()
    yield "gnomon-topic", record.topic.encode()
    yield "gnomon-partition", str(record.partition).encode()
    yield "gnomon-offset", str(record.offset).encode()
