"""Both transaction protocols on real Kafka: committed records are read once, others never."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaConnectionError, MessageSizeTooLargeError, ProducerFenced
from aiokafka.structs import TopicPartition
from tests.conftest import Kafka

from gnomon.connection import KafkaConnection
from gnomon.runtime.kafka.transactions import producer as producer_module
from gnomon.runtime.kafka.transactions.group import GroupMember
from gnomon.runtime.kafka.transactions.produce_requests import RecordBatch, new_batch
from gnomon.runtime.kafka.transactions.producer import TransactionalProducer
from gnomon.runtime.kafka.transactions.versions import TransactionV1, TransactionV2

pytestmark = pytest.mark.kafka


@pytest.fixture(params=[TransactionV1, TransactionV2])
async def producers(
    kafka: Kafka, prefix: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator["Producers"]:
    """Producers of one transactional id, with one protocol; all are stopped after the test."""
    if request.param is TransactionV1:
        monkeypatch.setattr(producer_module, "TRANSACTIONS_V2", 99)
    found = Producers(kafka.brokers, f"{prefix}stage-0")
    if not isinstance((await found.start())._protocol, request.param):
        pytest.skip("this cluster has not agreed on transaction.version 2")
    yield found
    for each in found.made:
        await each.stop()


class Producers:
    """Starts producers, one after another."""

    def __init__(self, brokers: str, name: str) -> None:
        self._brokers, self._name = brokers, name
        self.made: list[TransactionalProducer] = []

    async def start(self) -> TransactionalProducer:
        made = TransactionalProducer(KafkaConnection(self._brokers), self._name)
        self.made.append(made)
        await made.start()
        return made


def batch(*values: bytes) -> RecordBatch:
    filled = new_batch()
    filled.fill([(b"k", value) for value in values], 0)
    return filled


async def committed(kafka: Kafka, tp: TopicPartition, group: str) -> int | None:
    """Return the committed offset of the group."""
    async with AIOKafkaConsumer(bootstrap_servers=kafka.brokers, group_id=group) as consumer:
        found: int | None = await consumer.committed(tp)
        return found


async def read(kafka: Kafka, tp: TopicPartition, *, at_least: int) -> Sequence[bytes]:
    """Return the committed values of a partition, up to its end.

    Kafka confirms the end of a transaction before readers see it, so ``at_least`` so many are waited for.
    """
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka.brokers, isolation_level="read_committed")
    values: list[bytes] = []
    async with consumer:
        consumer.assign([tp])
        await consumer.seek_to_beginning(tp)
        (end,) = (await consumer.end_offsets([tp])).values()
        async with asyncio.timeout(30.0):
            while len(values) < at_least or await consumer.position(tp) < end:
                fetched = await consumer.getmany(timeout_ms=200)
                values += [record.value for records in fetched.values() for record in records]
    return values


async def test_transactions_follow_one_another(
    kafka: Kafka, topics: str, producers: Producers
) -> None:
    out, source = (TopicPartition(topics + name, 0) for name in ("task-features", "task-events"))
    producer = await producers.start()

    for number in range(40):
        values = [b"%d.%d" % (number, part) for part in range(3)]
        await producer.write(
            {out: [batch(*values)]}, {source: number + 1}, member=GroupMember(topics)
        )

    assert await read(kafka, out, at_least=120) == [
        b"%d.%d" % (n, part) for n in range(40) for part in range(3)
    ]
    assert await committed(kafka, source, topics) == 40


async def test_a_transaction_of_several_batches_and_topics(
    kafka: Kafka, topics: str, producers: Producers
) -> None:
    out, more = (TopicPartition(topics + name, 1) for name in ("task-features", "comparisons"))
    producer = await producers.start()

    for number in range(3):
        first, second = batch(b"%d" % number), batch(b"%d, too" % number)
        await producer.write(
            {out: [first, second], more: [batch(b"more")]}, {}, member=GroupMember(topics)
        )

    assert await read(kafka, out, at_least=6) == [b"0", b"0, too", b"1", b"1, too", b"2", b"2, too"]
    assert await read(kafka, more, at_least=3) == [b"more"] * 3


async def test_a_refused_transaction_leaves_nothing(
    kafka: Kafka, topics: str, producers: Producers
) -> None:
    out, source = (TopicPartition(topics + name, 0) for name in ("task-features", "task-events"))
    producer = await producers.start()

    with pytest.raises(MessageSizeTooLargeError):
        await producer.write(
            {out: [batch(b"first"), batch(b"x" * 9_000_000)]},
            {source: 5},
            member=GroupMember(topics),
        )
    await producer.stop()

    after = await producers.start()
    await after.write({out: [batch(b"again")]}, {source: 6}, member=GroupMember(topics))
    assert await read(kafka, out, at_least=1) == [b"again"]
    assert await committed(kafka, source, topics) == 6


async def test_a_start_fences_the_producers_started_before(
    kafka: Kafka, topics: str, producers: Producers
) -> None:
    out, source = (TopicPartition(topics + name, 0) for name in ("task-features", "task-events"))
    zombie = await producers.start()
    await zombie.write({out: [batch(b"1")]}, {source: 1}, member=GroupMember(topics))
    successor = await producers.start()

    with pytest.raises(ProducerFenced):
        await zombie.write({out: [batch(b"2")]}, {source: 2}, member=GroupMember(topics))
    await successor.write(
        {out: [batch(b"2 of the successor")]}, {source: 2}, member=GroupMember(topics)
    )

    assert await read(kafka, out, at_least=2) == [b"1", b"2 of the successor"]


@pytest.mark.parametrize("lost", ["produce", "commit", "end"])
async def test_a_lost_answer(
    kafka: Kafka, topics: str, producers: Producers, lost: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The request is repeated although it was done."""
    keys = {"produce": 0, "commit": 28, "end": 26}
    out, source = (TopicPartition(topics + name, 0) for name in ("task-features", "task-events"))
    producer = await producers.start()
    client = producer._client
    send, answers = client.send, 0

    async def lose(node: int, request: object, **how: object) -> object:
        nonlocal answers
        answer = await send(node, request, **how)
        if getattr(request, "API_KEY", None) == keys[lost]:
            answers += 1
            if answers in {1, 4, 5}:  # for batches: one that was sent alone, and two sent at once
                raise KafkaConnectionError(lost)
        return answer

    monkeypatch.setattr(client, "send", lose)
    for number in range(3):
        batches = [batch(b"%d.%d" % (number, part)) for part in range(9)]
        await producer.write({out: batches}, {source: number + 1}, member=GroupMember(topics))

    assert answers > 5
    assert await read(kafka, out, at_least=27) == [
        b"%d.%d" % (n, part) for n in range(3) for part in range(9)
    ]
    assert await committed(kafka, source, topics) == 3
