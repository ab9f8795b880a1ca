"""What the writer gives the transactional producer, and what becomes of its errors."""

from collections.abc import Mapping, Sequence

import pytest
from aiokafka import errors as kafka
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.structs import TopicPartition
from tests.support.memory_partition import Record

from gnomon.errors import BrokerUnavailableError, FencedError, OutputTooLargeError
from gnomon.records import DeadLetter, Keyed, Outputs
from gnomon.runtime.kafka.transactions.produce_requests import RecordBatch
from gnomon.runtime.kafka.transactions.writer import TransactionalWriter

Row = tuple[bytes | None, bytes | None, list[tuple[str, bytes]]]


class MemoryProducer:
    """Decodes batches with aiokafka; fails as it is told to."""

    def __init__(self, name: str, errors: list[Exception]) -> None:
        self.name, self._errors = name, errors
        self.running = False
        self.rows: dict[TopicPartition, list[list[Row]]] = {}
        self.offsets: dict[TopicPartition, int] = {}
        self.group = ""

    async def start(self) -> None:
        self.running = True
        self._fail("start")

    async def stop(self) -> None:
        self.running = False

    async def partitions_of(self, topic: str) -> Sequence[int]:
        return range(4)

    async def write(
        self,
        batches: Mapping[TopicPartition, Sequence[RecordBatch]],
        offsets: Mapping[TopicPartition, int],
        *,
        group: str,
    ) -> None:
        self._fail("write")
        self.rows = {
            tp: [decoded(batch) for batch in of_partition] for tp, of_partition in batches.items()
        }
        self.offsets, self.group = dict(offsets), group

    def _fail(self, where: str) -> None:
        if self._errors and self._errors[0].args[0] == where:
            raise self._errors.pop(0)


def decoded(batch: RecordBatch) -> list[Row]:
    read = MemoryRecords(bytes(batch.build(1, 0, 0))).next_batch()
    assert read is not None
    return [(record.key, record.value, list(record.headers)) for record in read]


class Rig:
    """A writer of partition 2 and all producers it has created."""

    def __init__(self, *errors: Exception) -> None:
        self._errors = list(errors)
        self.producers: list[MemoryProducer] = []
        self.writer = TransactionalWriter(
            brokers="none:1",
            group="p.gnomon-features",
            stage="features",
            partition=2,
            prefix="p.",
            new_producer=self._new_producer,
        )

    def _new_producer(self, brokers: str, name: str) -> MemoryProducer:
        assert brokers == "none:1"
        self.producers.append(MemoryProducer(name, self._errors))
        return self.producers[-1]

    async def write(
        self, outputs: Outputs, offsets: Mapping[str, int] | None = None
    ) -> MemoryProducer:
        async with self.writer as writer:
            await writer.write(outputs, offsets or {})
            return self.producers[-1]


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
    assert (producer.group, producer.name) == ("p.gnomon-features", "p.gnomon-features-2")
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

    assert rig.producers[0].rows == {}


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
    rig = Rig()
    rig.writer = TransactionalWriter(
        brokers="none:1",
        group="g",
        stage="collector",
        partition=7,
        prefix="",
        new_producer=rig._new_producer,
    )

    producer = await rig.write(dead(Record(0)))

    assert list(producer.rows) == [TopicPartition("dead-letters", 3)]


async def test_many_dead_letters_share_batches() -> None:
    letters = [DeadLetter(Record(n, b"." * 400_000), "invalid") for n in range(5)]

    producer = await Rig().write(Outputs(dead=letters))

    batches = producer.rows[TopicPartition("p.dead-letters", 2)]
    assert [len(batch) for batch in batches] == [2, 2, 1]


@pytest.mark.parametrize("error", [kafka.ProducerFenced, kafka.OutOfOrderSequenceNumber])
async def test_a_fenced_producer_is_another_worker(error: type[Exception]) -> None:
    with pytest.raises(FencedError, match=r"features\[2\]"):
        await Rig(error("write")).write(Outputs({"out": rows(b"1")}))


@pytest.mark.parametrize(
    "error", [kafka.NotEnoughReplicasError, kafka.KafkaConnectionError, kafka.RequestTimedOutError]
)
async def test_another_error_is_transient(error: type[Exception]) -> None:
    with pytest.raises(BrokerUnavailableError, match=r"features\[2\]"):
        await Rig(error("write")).write(Outputs({"out": rows(b"1")}))


@pytest.mark.parametrize("error", [kafka.MessageSizeTooLargeError, kafka.RecordListTooLargeError])
async def test_after_a_refused_size_a_new_producer_goes_on(error: type[Exception]) -> None:
    rig = Rig(error("write"))
    async with rig.writer as writer:
        with pytest.raises(OutputTooLargeError):
            await writer.write(Outputs({"out": rows(b"large")}), {"p.in": 1})
        await writer.write(Outputs({"out": rows(b"small")}), {"p.in": 1})

    refused, successor = rig.producers
    assert (refused.running, refused.offsets) == (False, {})
    assert successor.offsets == {TopicPartition("p.in", 2): 1}
    assert successor.name == refused.name


async def test_a_broker_that_is_down_is_transient_and_leaves_no_connection() -> None:
    rig = Rig(kafka.KafkaConnectionError("start"))
    with pytest.raises(BrokerUnavailableError, match="none:1"):
        await rig.write(Outputs())

    assert not rig.producers[0].running
