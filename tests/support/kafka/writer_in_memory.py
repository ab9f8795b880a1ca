"""A worker's writer on a producer in memory, which fails as it is told to."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

from aiokafka import errors as kafka
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.structs import TopicPartition

from gnomon.connection import KafkaConnection
from gnomon.records import Keyed, Outputs
from gnomon.runtime.kafka.transactions.group import GroupMember
from gnomon.runtime.kafka.transactions.group_offsets import GroupOffset
from gnomon.runtime.kafka.transactions.produce_requests import RecordBatch
from gnomon.runtime.kafka.transactions.worker_writer import PartitionWriter, WorkerWriter
from gnomon.runtime.metrics import Metrics

Row = tuple[bytes | None, bytes | None, list[tuple[str, bytes]]]


GROUP = "p.gnomon-features"
MEMBER = GroupMember(GROUP, 5, "m")


class MemoryProducer:
    """Decodes batches with aiokafka; fails as it is told to.

    Attributes:
        calls: Names of the calls that change something, in order.
        transactions: The values of each committed transaction, by partition of its input.
        gate: Awaited by each write, if it is set.
        refuses: A transaction with this value is too large.
        answers: Committed offsets, one for each time that they are read.
    """

    def __init__(self, name: str, errors: list[Exception]) -> None:
        self.name, self._errors = name, errors
        self.running = False
        self.calls: list[str] = []
        self.rows: dict[TopicPartition, list[list[Row]]] = {}
        self.offsets: dict[TopicPartition, int] = {}
        self.members: list[GroupMember] = []
        self.transactions: list[list[int]] = []
        self.gate: asyncio.Event | None = None
        self.refuses = b""
        self.answers: list[int] = []

    async def start(self) -> None:
        self.calls.append("start")
        self.running = True
        self._fail("start")

    async def renew(self) -> None:
        self.calls.append("renew")

    async def stop(self) -> None:
        self.calls.append("stop")
        self.running = False

    async def partitions_of(self, topic: str, at_least: int) -> Sequence[int]:
        return range(4)

    async def end_other(self, transactional_id: str) -> None:
        self.calls.append(f"end {transactional_id}")

    async def group_offsets(
        self, group: str, tps: Sequence[TopicPartition], *, require_stable: bool
    ) -> Mapping[TopicPartition, GroupOffset]:
        if not self.answers:
            return {}
        offset = self.answers.pop(0) if require_stable else self.answers[0]
        return {tp: GroupOffset(offset, "") for tp in tps}

    async def write(
        self,
        batches: Mapping[TopicPartition, Sequence[RecordBatch]],
        offsets: Mapping[TopicPartition, int],
        *,
        member: GroupMember,
    ) -> None:
        self.calls.append("write")
        self.members.append(member)
        if self.gate is not None:
            await self.gate.wait()
        self._fail("write")
        rows = {tp: [decoded(batch) for batch in of_tp] for tp, of_tp in batches.items()}
        values = [row[1] for of_tp in rows.values() for batch in of_tp for row in batch]
        if self.refuses and self.refuses in values:
            raise kafka.MessageSizeTooLargeError
        self.rows, self.offsets = rows, dict(offsets)
        self.transactions.append(sorted(tp.partition for tp in offsets))

    def _fail(self, where: str) -> None:
        if self._errors and self._errors[0].args[0] == where:
            raise self._errors.pop(0)


def decoded(batch: RecordBatch) -> list[Row]:
    read = MemoryRecords(bytes(batch.build(1, 0, 0))).next_batch()
    assert read is not None
    return [(record.key, record.value, list(record.headers)) for record in read]


class Rig:
    """A writer for all partitions of a worker, and its producer."""

    def __init__(self, *errors: Exception) -> None:
        self._errors = list(errors)
        self.producer = MemoryProducer("", [])
        self.worker = WorkerWriter(
            kafka=KafkaConnection("none:1"),
            group=GROUP,
            stage="features",
            prefix="p.",
            transactional_id=f"{GROUP}-me",
            metrics=Metrics(),
            new_producer=self._new_producer,
        )
        self.worker.joined(MEMBER, missed=True)

    def _new_producer(self, connection: KafkaConnection, name: str) -> MemoryProducer:
        assert connection.brokers == "none:1"
        self.producer = MemoryProducer(name, self._errors)
        return self.producer

    async def write(
        self, outputs: Outputs, offsets: Mapping[str, int] | None = None, *, partition: int = 2
    ) -> MemoryProducer:
        """One write of one partition; nothing is open afterwards."""
        async with self.worker.open(partition) as writer:
            await writer.write(outputs, offsets or {})
        await self.worker.stop()
        return self.producer

    @asynccontextmanager
    async def open(self, *partitions: int) -> AsyncIterator[list[PartitionWriter]]:
        async with AsyncExitStack() as stack:
            yield [await stack.enter_async_context(self.worker.open(p)) for p in partitions]
        await self.worker.stop()


def writing(writer: PartitionWriter, value: bytes = b"v") -> asyncio.Task[None]:
    """A write that has begun."""
    return asyncio.create_task(writer.write(Outputs({"out": rows(value)}), {"p.in": 1}))


def rows(*values: bytes) -> list[Keyed]:
    return [(b"k", value) for value in values]
