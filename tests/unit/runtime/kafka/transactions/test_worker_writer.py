"""What the writer gives the transactional producer, and what becomes of its errors."""

import pytest
from aiokafka import errors as kafka
from aiokafka.structs import TopicPartition
from tests.support.kafka.memory_partition import Record
from tests.support.kafka.writer_in_memory import GROUP, MEMBER, Rig, rows, writing

from gnomon.errors import BrokerUnavailableError, FencedError, OutputTooLargeError, StalledError
from gnomon.records import DeadLetter, Outputs


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


@pytest.mark.parametrize("error", [kafka.InvalidProducerIdMapping, kafka.UnknownProducerId])
async def test_a_producer_that_kafka_has_forgotten_is_begun_again_in_place(
    error: type[kafka.KafkaError],
) -> None:
    """It was idle for longer than ``transactional.id.expiration.ms``."""
    rig = Rig(error("write"))

    producer = await rig.write(Outputs({"task-features": rows(b"1")}), {"p.task-events": 7})

    assert producer.calls == ["start", "write", "renew", "write", "stop"]
    assert producer.transactions == [[2]]
    assert producer.offsets == {TopicPartition("p.task-events", 2): 7}


async def test_a_producer_that_is_forgotten_at_once_again_ends_the_worker() -> None:
    rig = Rig(kafka.InvalidProducerIdMapping("write"), kafka.InvalidProducerIdMapping("write"))
    with pytest.raises(StalledError, match="InvalidProducerIdMapping"):
        await rig.write(Outputs({"task-features": rows(b"1")}))


async def test_offsets_older_than_those_that_were_written_are_read_again() -> None:
    rig = Rig()
    producer = await rig.write(Outputs(), {"p.task-events": 7})
    written = TopicPartition("p.task-events", 2)
    producer.answers = [3, 7]

    assert await rig.worker.offsets.read([written]) == {written: 7}
