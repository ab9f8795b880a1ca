"""What the writer gives the transactional producer, and what becomes of its errors."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from aiokafka import errors as kafka
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.structs import TopicPartition
from tests.support.memory_partition import Record
from tests.support.polling import eventually

from gnomon.errors import BrokerUnavailableError, FencedError, OutputTooLargeError
from gnomon.records import DeadLetter, Keyed, Outputs
from gnomon.runtime.kafka.transactions import group as group_module
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

    async def start(self) -> None:
        self.calls.append("start")
        self.running = True
        self._fail("start")

    async def renew(self) -> None:
        self.calls.append("renew")

    async def stop(self) -> None:
        self.calls.append("stop")
        self.running = False

    async def partitions_of(self, topic: str) -> Sequence[int]:
        return range(4)

    async def end_other(self, transactional_id: str) -> None:
        self.calls.append(f"end {transactional_id}")

    async def group_offsets(
        self, group: str, tps: Sequence[TopicPartition], *, require_stable: bool
    ) -> Mapping[TopicPartition, GroupOffset]:
        return {}

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
            brokers="none:1",
            group=GROUP,
            stage="features",
            prefix="p.",
            transactional_id=f"{GROUP}-me",
            metrics=Metrics(),
            new_producer=self._new_producer,
        )
        self.worker.joined(MEMBER, missed=True)

    def _new_producer(self, brokers: str, name: str) -> MemoryProducer:
        assert brokers == "none:1"
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


async def test_outputs_go_to_the_partition_they_came_from_in_order() -> None:
    outputs = Outputs({"task-features": rows(b"1", b"2"), "latest": [(b"k", None)], "empty": []})

    producer = await Rig().write(outputs, {"p.task-events": 7})

    assert producer.rows == {
        TopicPartition("p.task-features", 2): [[(b"k", b"1", []), (b"k", b"2", [])]],
        TopicPartition("p.latest", 2): [[(b"k", None, [])]],
    }
    assert producer.offsets == {TopicPartition("p.task-events", 2): 7}
    assert (producer.members, producer.name) == ([MEMBER], f"{GROUP}-me")
    assert not producer.running  # after the writer was closed


async def test_outputs_are_released_when_they_are_encoded() -> None:
    outputs = Outputs({"task-features": rows(b"1")})
    await Rig().write(outputs)
    assert outputs.by_topic == {}


# Kafka's own test vectors of murmur2 (org.apache.kafka.common.utils.UtilsTest.testMurmur2); a key
# goes to partition (hash & 0x7fffffff) % partitions.
MURMUR2 = {
    b"21": -973932308,
    b"foobar": -790332482,
    b"a-little-bit-long-string": -985981536,
    b"a-little-bit-longer-string": -1486304829,
    b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
    b"abc": 479470107,
}


async def test_a_topic_by_key_is_partitioned_as_by_kafkas_clients() -> None:
    outputs = Outputs({"task-events": [(key, key) for key in MURMUR2]}, by_key={"task-events"})

    producer = await Rig().write(outputs)

    expected: dict[TopicPartition, list[bytes]] = {}
    for key, value in MURMUR2.items():
        tp = TopicPartition("p.task-events", (value & 0x7FFFFFFF) % 4)
        expected.setdefault(tp, []).append(key)
    found = {tp: [row[0] for row in batches[0]] for tp, batches in producer.rows.items()}
    assert found == expected


async def test_many_outputs_are_several_batches() -> None:
    values = [b"%d" % n + b"." * 300_000 for n in range(10)]

    producer = await Rig().write(Outputs({"out": rows(*values)}))

    batches = producer.rows[TopicPartition("p.out", 2)]
    assert [len(batch) for batch in batches] == [3, 3, 3, 1]  # of a million bytes at most
    assert [row[1] for batch in batches for row in batch] == values


async def test_an_output_that_no_batch_holds_is_too_large() -> None:
    rig = Rig()
    with pytest.raises(OutputTooLargeError, match="expected up to 1000000"):
        await rig.write(Outputs({"out": rows(b"small", b"." * 1_000_000)}))

    assert rig.producer.rows == {}


def dead(record: Record, detail: str = "not JSON") -> Outputs:
    return Outputs(dead=[DeadLetter(record, "invalid", detail)])


async def test_a_dead_letter_keeps_the_record_and_says_where_it_came_from() -> None:
    record = Record(17, b"raw", "p.task-events", partition=2, key=b"router")

    producer = await Rig().write(dead(record))

    ((row,),) = producer.rows[TopicPartition("p.dead-letters", 2)]
    assert row == (
        b"router",
        b"raw",
        [
            ("gnomon-stage", b"features"),
            ("gnomon-reason", b"invalid"),
            ("gnomon-detail", b"not JSON"),
            ("gnomon-topic", b"p.task-events"),
            ("gnomon-partition", b"2"),
            ("gnomon-offset", b"17"),
        ],
    )


@pytest.mark.parametrize(
    ("key", "value", "written"),
    [
        (None, b"v", (None, b"v")),
        (b"k", None, (b"k", None)),
        (None, None, (b"", None)),  # a record needs one of the two
        (b"", b"", (b"", b"")),
    ],
)
async def test_a_dead_letter_of_a_record_without_key_or_value(
    key: bytes | None, value: bytes | None, written: tuple[bytes | None, bytes | None]
) -> None:
    producer = await Rig().write(dead(Record(0, value, key=key)))

    ((row,),) = producer.rows[TopicPartition("p.dead-letters", 2)]
    assert row[:2] == written


async def test_a_dead_letter_keeps_the_beginning_of_a_huge_value() -> None:
    producer = await Rig().write(dead(Record(0, b"a" * 8_000_001)))

    ((row,),) = producer.rows[TopicPartition("p.dead-letters", 2)]
    assert row[1] == b"a" * 8_000_000
    assert dict(row[2])["gnomon-detail"] == b"not JSON; the first 8000000 are kept"


async def test_the_dead_letters_of_a_partition_that_their_topic_lacks_wrap_around() -> None:
    producer = await Rig().write(dead(Record(0)), partition=7)

    assert list(producer.rows) == [TopicPartition("p.dead-letters", 3)]


async def test_many_dead_letters_share_batches() -> None:
    letters = [DeadLetter(Record(n, b"." * 400_000), "invalid") for n in range(5)]

    producer = await Rig().write(Outputs(dead=letters))

    batches = producer.rows[TopicPartition("p.dead-letters", 2)]
    assert [len(batch) for batch in batches] == [2, 2, 1]


@pytest.mark.parametrize("error", [kafka.ProducerFenced, kafka.OutOfOrderSequenceNumber])
async def test_a_fenced_producer_is_another_worker(error: type[Exception]) -> None:
    with pytest.raises(FencedError, match="features"):
        await Rig(error("write")).write(Outputs({"out": rows(b"1")}))


@pytest.mark.parametrize(
    "error", [kafka.NotEnoughReplicasError, kafka.KafkaConnectionError, kafka.RequestTimedOutError]
)
async def test_another_error_is_transient(error: type[Exception]) -> None:
    with pytest.raises(BrokerUnavailableError, match="features"):
        await Rig(error("write")).write(Outputs({"out": rows(b"1")}))


@pytest.mark.parametrize("error", [kafka.MessageSizeTooLargeError, kafka.RecordListTooLargeError])
async def test_after_a_refused_size_the_producer_goes_on_anew(error: type[Exception]) -> None:
    rig = Rig(error("write"))
    async with rig.open(2) as (writer,):
        with pytest.raises(OutputTooLargeError):
            await writing(writer, b"large")
        await writing(writer, b"small")

    assert rig.producer.calls == ["start", "write", "renew", "write", "stop"]
    assert rig.producer.offsets == {TopicPartition("p.in", 2): 1}


async def test_a_broker_that_is_down_is_transient_and_leaves_no_connection() -> None:
    rig = Rig(kafka.KafkaConnectionError("start"))
    with pytest.raises(BrokerUnavailableError, match="none:1"):
        await rig.write(Outputs())
    await rig.worker.stop()

    assert not rig.producer.running


async def test_partitions_that_were_fetched_together_share_a_transaction() -> None:
    rig = Rig()
    async with rig.open(0, 1, 2) as writers:
        rig.worker.expect({0, 1, 2})
        first = writing(writers[0])
        await asyncio.sleep(0)
        await asyncio.gather(first, *map(writing, writers[1:]))

    assert rig.producer.transactions == [[0, 1, 2]]
    assert set(rig.producer.rows) == {TopicPartition("p.out", n) for n in (0, 1, 2)}


async def test_a_partition_that_hangs_does_not_hold_the_others_up() -> None:
    rig = Rig()
    async with rig.open(0, 1) as writers, asyncio.timeout(5):
        rig.worker.expect({0, 1})
        await writing(writers[0])

    assert rig.producer.transactions == [[0]]


async def test_writes_during_a_transaction_are_together_in_the_next() -> None:
    rig = Rig()
    async with rig.open(0, 1, 2) as writers:
        rig.producer.gate = asyncio.Event()
        first = writing(writers[0])
        await eventually(lambda: rig.producer.calls[-1] == "write", what="the first is under way")
        others = [writing(writer) for writer in writers[1:]]
        await asyncio.sleep(0)
        rig.producer.gate.set()
        await asyncio.gather(first, *others)

    assert rig.producer.transactions == [[0], [1, 2]]


async def test_only_the_partition_whose_output_is_too_large_fails() -> None:
    rig = Rig()
    rig.producer.refuses = b"large"
    async with rig.open(0, 1, 2, 3) as writers:
        rig.worker.expect({0, 1, 2, 3})
        tasks = [writing(w, b"large" if w.partition == 2 else b"v") for w in writers]
        results = await asyncio.gather(*tasks, return_exceptions=True)

    assert [type(result) for result in results] == [type(None)] * 2 + [
        OutputTooLargeError,
        type(None),
    ]
    assert rig.producer.transactions == [[0, 1], [3]]


@pytest.mark.parametrize(
    "error",
    [kafka.IllegalGenerationError, kafka.UnknownMemberIdError, kafka.RebalanceInProgressError],
)
async def test_a_transaction_of_an_old_generation_is_repeated_without_what_was_given_up(
    error: type[Exception],
) -> None:
    rig = Rig(error("write"))
    newer = MEMBER._replace(generation=6)
    async with rig.open(0, 1) as (kept, lost):
        rig.worker.expect({0, 1})
        tasks = writing(kept), writing(lost)
        await eventually(lambda: rig.producer.calls[-1] == "write", what="it was refused")
        lost.revoke()
        rig.worker.joined(newer, missed=False)
        results = await asyncio.gather(*tasks, return_exceptions=True)

    assert [type(result) for result in results] == [type(None), FencedError]
    assert rig.producer.members == [MEMBER, newer]
    assert rig.producer.transactions == [[0]]
    assert rig.producer.calls == ["start", "write", "renew", "write", "stop"]


async def test_without_a_member_id_nothing_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Kafka would accept the offsets from anybody."""
    monkeypatch.setattr(group_module, "NEXT_GENERATION_S", 0.01)
    rig = Rig()
    rig.worker.joined(MEMBER._replace(generation=-1, member_id=""), missed=False)
    async with rig.open(0) as (writer,):
        with pytest.raises(FencedError, match="not a member"):
            await writing(writer)

    assert "write" not in rig.producer.calls


async def test_a_write_of_a_revoked_partition_is_refused() -> None:
    rig = Rig()
    async with rig.open(0) as (writer,):
        writer.revoke()
        with pytest.raises(FencedError):
            await writing(writer)

    assert "write" not in rig.producer.calls


async def test_a_fenced_worker_writes_nothing_until_it_has_joined_again() -> None:
    rig = Rig(kafka.ProducerFenced("write"))
    async with rig.open(0, 1) as writers:
        for writer in writers:
            with pytest.raises(FencedError):
                await writing(writer)
        rig.worker.joined(MEMBER._replace(generation=6), missed=False)
        await writing(writers[1])

    assert rig.producer.calls.count("write") == 2
    assert rig.producer.transactions == [[1]]


async def test_after_a_missed_generation_the_producer_starts_anew() -> None:
    rig = Rig()
    async with rig.open(0) as (writer,):
        rig.producer.gate = asyncio.Event()
        task = writing(writer)
        await eventually(lambda: rig.producer.calls[-1] == "write", what="it is under way")
        writer.revoke()
        rig.worker.joined(MEMBER._replace(generation=9), missed=True)
        with pytest.raises(FencedError):
            await task
        rig.producer.gate.set()
        async with rig.worker.open(0) as again:
            await writing(again)

    assert rig.producer.calls == ["start", "write", "renew", "write", "stop"]
