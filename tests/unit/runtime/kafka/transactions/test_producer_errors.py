"""Which errors end a transaction, which are retried, and what is sent after them.

Each test runs with both transaction protocols, unless it is about one.
"""

import asyncio
from typing import Any

import pytest
from aiokafka import errors as kafka
from aiokafka.client import CoordinationType
from aiokafka.structs import TopicPartition
from tests.support.kafka.kafka_client_in_memory import (
    FIRST,
    OUT,
    SECOND,
    Kafka,
    filled,
    in_both,
    settle,
    started,
    write,
)

from gnomon.runtime.kafka.transactions import retries
from gnomon.runtime.kafka.transactions.group import GroupMember

PASSING: list[tuple[str, Any]] = [
    ("init", kafka.ConcurrentTransactions.errno),
    ("init", kafka.CoordinatorNotAvailableError.errno),
    ("produce", kafka.NotLeaderForPartitionError.errno),
    ("produce", kafka.NotEnoughReplicasError.errno),
    ("produce", kafka.ConcurrentTransactions.errno),
    ("produce", kafka.KafkaConnectionError("closed")),
    ("commit", kafka.NotCoordinatorError.errno),
    ("commit", kafka.RequestTimedOutError()),
    ("end", kafka.ConcurrentTransactions.errno),
    ("end", kafka.KafkaConnectionError("closed")),
]
PASSING_FIRST: list[tuple[str, Any]] = [
    ("add partitions", kafka.ConcurrentTransactions.errno),
    ("add partitions", [kafka.OperationNotAttempted.errno, kafka.NotCoordinatorError.errno]),
    ("add group", kafka.CoordinatorLoadInProgressError.errno),
]


@pytest.mark.parametrize(
    ("broker", "name", "passing"),
    [(FIRST, *each) for each in PASSING + PASSING_FIRST] + [(SECOND, *each) for each in PASSING],
    indirect=["broker"],
)
async def test_a_transient_error_is_retried(broker: Kafka, name: str, passing: object) -> None:
    broker.answers[name] = [passing]

    await write(await started())

    names = [asked for asked, _ in broker.asked]
    assert names.count(name) == (4 if name == "produce" else 2)  # which goes to two nodes
    assert names[-1] == "end"
    assert broker.requests[-1].transaction_result is True


async def test_a_coordinator_that_moved_is_looked_up_again(broker: Kafka) -> None:
    producer = await started()
    await write(producer)
    broker.looked_up.clear()
    broker.answers["commit"] = [kafka.NotCoordinatorError.errno]

    await write(producer)

    assert CoordinationType.GROUP in broker.looked_up


@pytest.mark.parametrize(
    ("broker", "name"),
    in_both("produce", "commit", "end", only_first=["add partitions", "add group"]),
    indirect=["broker"],
)
async def test_a_fenced_producer_sends_nothing_more(broker: Kafka, name: str) -> None:
    producer = await started()
    broker.answers[name] = [kafka.InvalidProducerEpoch.errno]

    with pytest.raises(kafka.ProducerFenced):
        await write(producer)

    assert [asked for asked, _ in broker.asked].count("end") == (name == "end")


@pytest.mark.parametrize(
    ("broker", "name"),
    in_both("produce", "commit", only_first=["add partitions", "add group"]),
    indirect=["broker"],
)
async def test_a_permanent_error_aborts(broker: Kafka, name: str) -> None:
    producer = await started()
    broker.answers[name] = [kafka.MessageSizeTooLargeError.errno]

    with pytest.raises(kafka.MessageSizeTooLargeError):
        await write(producer)

    assert broker.asked[-1] == ("end", 7)
    assert broker.requests[-1].transaction_result is False


async def test_retries_end(broker: Kafka, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retries, "RETRY_S", 0.05)
    producer = await started()
    broker.answers["produce"] = [kafka.NotEnoughReplicasError.errno] * 10_000

    with pytest.raises(kafka.NotEnoughReplicasError):
        await producer.write({OUT: [filled(b"1")]}, {}, member=GroupMember("g"))

    assert broker.requests[-1].transaction_result is False


async def test_an_abort_waits_for_the_requests_in_flight(broker: Kafka) -> None:
    """Before Kafka 3.6 a batch that arrives after the abort opens a transaction that nothing ends."""
    producer = await started()
    gate = broker.gates["produce"] = asyncio.Event()
    writing = asyncio.create_task(write(producer))
    await settle()
    writing.cancel()
    await settle()
    assert "end" not in [name for name, _ in broker.asked]
    gate.set()

    with pytest.raises(asyncio.CancelledError):
        await writing
    assert broker.requests[-1].transaction_result is False


async def test_an_unknown_topic(broker: Kafka, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retries, "RETRY_S", 0.02)
    producer = await started()

    with pytest.raises(kafka.UnknownTopicOrPartitionError):
        await producer.write(
            {TopicPartition("unknown", 0): [filled(b"1")]}, {}, member=GroupMember("g")
        )

    assert [name for name, _ in broker.asked] == ["init"]
