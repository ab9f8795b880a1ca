"""Encodes the outputs of one partition as record batches."""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

from aiokafka.partitioner import DefaultPartitioner
from aiokafka.structs import TopicPartition

from gnomon.errors import ConfigurationError, OutputTooLargeError
from gnomon.records import DeadLetter, Keyed, Outputs
from gnomon.runtime.kafka.transactions.produce_requests import (
    MAX_BATCH_BYTES,
    RecordBatch,
    new_batch,
)
from gnomon.topics import DEAD_LETTERS, MAX_EVENT_BYTES

MAX_DEAD_LETTER_BYTES = 8_000_000
"""A dead letter keeps this much of a value: its topic accepts little more. A topic's own limit counts
compressed bytes, so a record that was read can be larger."""

Batches = Mapping[TopicPartition, Sequence[RecordBatch]]
PartitionsOf = Callable[[str, int], Awaitable[Sequence[int]]]
"""Returns the partition numbers of a topic, ascending; asks the brokers again if there are fewer than given."""


class OutputEncoder:
    """Encodes outputs of one stage.

    Args:
        stage: Named in dead letters.
        prefix: Of every topic name.
        partitions_of: Asks the brokers.
    """

    def __init__(self, stage: str, prefix: str, partitions_of: PartitionsOf) -> None:
        self._stage, self._prefix, self._partitions_of = stage, prefix, partitions_of

    async def encode(self, outputs: Outputs, partition: int) -> Batches:
        """Return the batches of ``outputs``, whose records are moved out of it.

        Args:
            outputs: Records by base topic name. Each record is written to ``partition``, unless its
                topic is in ``outputs.by_key``.
            partition: Input partition.

        Raises:
            OutputTooLargeError: One record alone exceeds ``MAX_BATCH_BYTES``.
            KafkaError: The brokers do not know a topic.
            ConfigurationError: A topic has no such partition.
        """
        batches: dict[TopicPartition, list[RecordBatch]] = defaultdict(list)
        # The batches copy the records; keeping both would hold megabytes until the transaction ends.
        by_topic, outputs.by_topic = outputs.by_topic, {}
        while by_topic:
            name, records = by_topic.popitem()
            topic = self._prefix + name
            if records and name in outputs.by_key:
                for number, part in (await self._by_key(topic, records)).items():
                    batches[TopicPartition(topic, number)] += _in_batches(part)
            elif records:
                await self._require_partition(topic, partition)
                batches[TopicPartition(topic, partition)] += _in_batches(records)
        for dead_letter in outputs.dead:
            await self._add_dead_letter(dead_letter, partition, batches)
        return batches

    async def _require_partition(self, topic: str, partition: int) -> None:
        known = await self._partitions_of(topic, partition + 1)
        if partition >= len(known):
            raise ConfigurationError(
                f"{topic} has {len(known)} partitions, but the input of {self._stage} has at least"
                f" {partition + 1}: all topics of gnomon need the same number. Add partitions with"
                " kafka-topics.sh --alter --partitions; gnomon topics check names all that differ"
            )

    async def _by_key(self, topic: str, records: Sequence[Keyed]) -> Mapping[int, list[Keyed]]:
        """Group records by the partition of ``topic`` that Kafka's own clients would choose."""
        partitions = await self._partitions_of(topic, 1)
        choose = DefaultPartitioner()
        grouped: dict[int, list[Keyed]] = {}
        for record in records:
            grouped.setdefault(choose(record[0], partitions, partitions), []).append(record)
        return grouped

    async def _add_dead_letter(
        self,
        dead_letter: DeadLetter,
        partition: int,
        batches: dict[TopicPartition, list[RecordBatch]],
    ) -> None:
        record = dead_letter.record
        topic = self._prefix + DEAD_LETTERS.name
        # An input topic that is not gnomon's own may have more partitions.
        number = partition % len(await self._partitions_of(topic, 1))
        key = record.key if record.key is not None or record.value is not None else b""
        of_partition = batches[TopicPartition(topic, number)]
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
