"""Outputs and input offsets of one partition, together in one Kafka transaction.

The transactional id is made of the stage and the *input partition*: whoever takes the partition
over starts its producer first, which aborts or completes what the last owner left open and
fences it (KIP-98; aiokafka sends no member generation with its offsets, so an id per process
would not fence).
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from aiokafka import AIOKafkaProducer
from aiokafka.errors import (
    KafkaError,
    MessageSizeTooLargeError,
    OutOfOrderSequenceNumber,
    ProducerFenced,
    RecordListTooLargeError,
)
from aiokafka.partitioner import DefaultPartitioner
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.structs import TopicPartition

from gnomon.errors import BrokerUnavailableError, FencedError, OutputTooLargeError
from gnomon.records import DeadLetter, Keyed, Outputs
from gnomon.topics import DEAD_LETTERS, MAX_EVENT_BYTES

MAX_BATCH_BYTES = 1_000_000
"""Just under Kafka's default ``max.message.bytes``, which is per batch."""
MAX_REQUEST_BYTES = 16 << 20
MAX_DEAD_BYTES = 8_000_000
"""Most of a refused value that is kept: the topic of dead letters takes little more. A topic's
limit is of compressed bytes, so a record read can be of any size."""
_FENCED = (ProducerFenced, OutOfOrderSequenceNumber)
_TOO_LARGE = (MessageSizeTooLargeError, RecordListTooLargeError)


class TransactionalWriter:
    """The one writer of one stage's partition. Async context manager."""

    def __init__(
        self, *, brokers: str, group: str, stage: str, partition: int, prefix: str
    ) -> None:
        self._group, self._stage, self._partition = group, stage, partition
        self._brokers, self._prefix = brokers, prefix
        self._producer = self._new_producer()

    def _new_producer(self) -> AIOKafkaProducer:
        return AIOKafkaProducer(
            bootstrap_servers=self._brokers,
            transactional_id=f"{self._group}-{self._partition}",
            transaction_timeout_ms=30_000,
            linger_ms=0,
            max_batch_size=MAX_BATCH_BYTES,
            max_request_size=MAX_REQUEST_BYTES,
            request_timeout_ms=20_000,
            # What aiokafka waits when a transaction meets one that is still completing.
            retry_backoff_ms=20,
        )

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
            outputs: Records by base topic name; each goes to this partition's number, unless its
                topic is one of those partitioned by key.
            offsets: Next offset to read, by full topic name; empty for outputs of a tick.

        Raises:
            FencedError: Another worker owns the partition.
            OutputTooLargeError: A topic takes no batch as large as one of a single output.
            BrokerUnavailableError: The transaction could not be completed.
        """
        try:
            await self._producer.begin_transaction()
            try:
                await self._send(outputs)
                if offsets:
                    await self._producer.send_offsets_to_transaction(
                        {TopicPartition(t, self._partition): o for t, o in offsets.items()},
                        self._group,
                    )
            except _FENCED:
                raise  # there is nothing left to abort: the new owner has done it
            except BaseException:
                await asyncio.shield(self._abort())
                raise
            await self._producer.commit_transaction()
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

    async def _abort(self) -> None:
        try:
            await self._producer.abort_transaction()
        except KafkaError:
            return  # the next owner's InitProducerId aborts it

    async def _send(self, outputs: Outputs) -> None:
        pending: list[Any] = []
        for name, records in outputs.by_topic.items():
            topic = self._prefix + name
            if records and name in outputs.by_key:
                for partition, part in (await self._by_key(topic, records)).items():
                    await self._send_all(topic, partition, part, pending)
            elif records:
                await self._send_all(topic, self._partition, records, pending)
        pending.extend([await self._send_dead(letter) for letter in outputs.dead])
        for delivery in pending:
            await delivery

    async def _by_key(self, topic: str, records: Sequence[Keyed]) -> Mapping[int, list[Keyed]]:
        """The records by partition of ``topic``, as Kafka's own clients would choose it."""
        known = sorted(await self._producer.partitions_for(topic))
        place = DefaultPartitioner()
        parts: dict[int, list[Keyed]] = {}
        for record in records:
            parts.setdefault(place(record[0], known, known), []).append(record)
        return parts

    async def _send_all(
        self, topic: str, partition: int, records: Sequence[Keyed], pending: list[Any]
    ) -> None:
        create_batch, send_batch = self._producer.create_batch, self._producer.send_batch
        batch = create_batch()
        append = batch.append
        for key, value in records:
            if append(key=key, value=value, timestamp=None) is None:
                pending.append(await send_batch(_sized(batch), topic, partition=partition))
                batch = create_batch()
                append = batch.append
                append(key=key, value=value, timestamp=None)
        pending.append(await send_batch(_sized(batch), topic, partition=partition))

    async def _send_dead(self, letter: DeadLetter) -> Any:
        record = letter.record
        topic = self._prefix + DEAD_LETTERS.name
        # An input that is not gnomon's own may have more partitions.
        partition = self._partition % len(await self._producer.partitions_for(topic))
        key = record.key if record.key is not None or record.value is not None else b""
        return await self._producer.send(
            topic,
            value=record.value and record.value[:MAX_DEAD_BYTES],
            key=key and key[:MAX_EVENT_BYTES],
            partition=partition,
            headers=list(_why(letter, stage=self._stage)),
        )


def _sized(batch: BatchBuilder) -> BatchBuilder:
    """The batch; the first record of one is taken whatever its size.

    Raises:
        OutputTooLargeError: It is too large to be sent.
    """
    if batch.size() > MAX_BATCH_BYTES:
        raise OutputTooLargeError(f"{batch.size()} bytes, expected up to {MAX_BATCH_BYTES}")
    return batch


def _why(letter: DeadLetter, *, stage: str) -> Iterable[tuple[str, bytes]]:
    record, detail = letter.record, letter.detail
    if record.value is not None and len(record.value) > MAX_DEAD_BYTES:
        detail = f"{detail}; the first {MAX_DEAD_BYTES} are kept"
    yield "gnomon-stage", stage.encode()
    yield "gnomon-reason", letter.reason.encode()
    yield "gnomon-detail", detail.encode()
    yield "gnomon-topic", record.topic.encode()
    yield "gnomon-partition", str(record.partition).encode()
    yield "gnomon-offset", str(record.offset).encode()
