"""Which requests a transaction sends, in which order, and which are repeated.

Each test runs with both transaction protocols, unless it is about one.
"""

import asyncio
from typing import Any

import pytest
from aiokafka import errors as kafka
from aiokafka.protocol.produce import ProduceRequest_v7
from aiokafka.record.memory_records import MemoryRecords
from tests.support.kafka.kafka_client_in_memory import (
    DUPLICATE,
    FIRST,
    IN,
    OUT,
    SECOND,
    Kafka,
    filled,
    install,
    settle,
    started,
    write,
)

from gnomon.errors import ConfigurationError
from gnomon.runtime.kafka.transactions.group import GroupMember


async def test_the_order_of_a_transaction(broker: Kafka) -> None:
    await write(await started())

    init, *asked = broker.asked
    assert init == ("init", 7)
    if broker.version == FIRST:
        assert set(asked[:2]) == {("add partitions", 7), ("add group", 7)}
        del asked[:2]
    assert set(asked[:2]) == {("produce", 1), ("produce", 2)}
    assert asked[2:] == [("commit", 8), ("end", 7)]
    assert broker.requests[-1].transaction_result is True


@pytest.mark.parametrize("cluster", [Kafka(version=0), Kafka(version=FIRST)])
async def test_the_first_protocol_is_used_where_the_cluster_has_not_finalized_the_second(
    cluster: Kafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker = install(cluster, monkeypatch)

    await write(await started())

    versions = {r.API_KEY: r.API_VERSION for r in broker.requests}
    assert (versions[0], versions[26], versions[28]) == (7, 0, 3)


@pytest.mark.parametrize("newest", [{18: 0}, {28: 2}, {9: 6}])
async def test_brokers_that_cannot_check_the_generation_are_refused(
    newest: dict[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    broker = install(Kafka(version=FIRST), monkeypatch)
    broker.versions |= {api: (0, version) for api, version in newest.items()}

    with pytest.raises(ConfigurationError, match=r"Kafka 2\.5"):
        await started()


async def test_offsets_are_committed_by_the_member_and_name_the_transactional_id(
    broker: Kafka,
) -> None:
    member = GroupMember("g", 12, "consumer-1", "pod-0")

    await (await started()).write({}, {IN: 9, OUT: 4}, member=member)

    (commit,) = (r for r in broker.requests if r.API_KEY == 28)
    assert (commit.group_id, commit.generation_id) == ("g", 12)
    assert (commit.member_id, commit.group_instance_id) == ("consumer-1", "pod-0")
    rows = {topic: [row[:4] for row in of_topic] for topic, of_topic, _ in commit.topics}
    assert rows == {IN.topic: [(3, 9, -1, "features-3")], OUT.topic: [(3, 4, -1, "features-3")]}


async def test_a_producer_that_is_renewed_goes_on_with_a_new_epoch(broker: Kafka) -> None:
    producer = await started()
    broker.answers["commit"] = [kafka.IllegalGenerationError.errno]
    with pytest.raises(kafka.IllegalGenerationError):
        await write(producer)
    broker.epoch, begun = 9, len(broker.requests)

    await producer.renew()
    await write(producer)

    init, *_, end = broker.requests[begun:]
    assert init.API_KEY == 22
    assert (end.producer_epoch, end.transaction_result) == (9, True)


UNSTABLE = 88


async def test_stable_offsets_are_asked_for_until_no_transaction_is_pending(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    broker = install(Kafka(version=SECOND), monkeypatch)
    producer = await started()
    broker.offsets = [(-1, "", UNSTABLE), (41, "g-other", 0)]

    found = await producer.group_offsets("g", [IN], require_stable=True)

    assert found == {IN: (41, "g-other")}
    asked = [r for r in broker.requests if r.API_KEY == 9]
    assert [(r.group_id, r.topics, r.require_stable) for r in asked] == [
        ("g", [(IN.topic, [3], {})], True)
    ] * 2


async def test_each_transaction_of_the_second_protocol_has_its_own_epoch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    broker = install(Kafka(version=SECOND), monkeypatch)
    producer = await started()

    await producer.write({OUT: [filled(b"1", b"2")]}, {}, member=GroupMember("g"))
    await producer.write({OUT: [filled(b"3")]}, {}, member=GroupMember("g"))

    ends = [r for r in broker.requests if r.API_KEY == 26]
    assert [(r.producer_id, r.producer_epoch) for r in ends] == [(77, 5), (77, 6)]
    assert [r.API_VERSION for r in broker.requests if r.API_KEY == 0] == [12, 12]


async def test_partitions_and_group_are_added_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    broker = install(Kafka(version=FIRST), monkeypatch)
    producer = await started()
    broker.gates = {"add partitions": asyncio.Event(), "add group": asyncio.Event()}
    writing = asyncio.create_task(write(producer))
    await settle()
    broker.gates["add group"].set()
    await settle()

    assert len(broker.asked) == 3  # no batch is sent before both are acknowledged
    broker.gates["add partitions"].set()
    await writing
    assert broker.asked[-1] == ("end", 7)


async def test_an_empty_transaction_sends_no_request(broker: Kafka) -> None:
    producer = await started()
    await producer.write({}, {}, member=GroupMember("g"))
    assert broker.asked == [("init", 7)]


async def test_offsets_alone(broker: Kafka) -> None:
    await (await started()).write({}, {IN: 9}, member=GroupMember("g"))
    opening = ["add group"] if broker.version == FIRST else []
    assert [name for name, _ in broker.asked[1:]] == [*opening, "commit", "end"]


async def test_outputs_alone(broker: Kafka) -> None:
    await (await started()).write({OUT: [filled(b"1")]}, {}, member=GroupMember("g"))
    opening = ["add partitions"] if broker.version == FIRST else []
    assert [name for name, _ in broker.asked[1:]] == [*opening, "produce", "end"]


async def test_batches_of_a_partition_follow_one_another_and_are_numbered_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    broker = install(Kafka(version=FIRST), monkeypatch)
    producer = await started()
    await producer.write({OUT: [filled(b"1", b"2"), filled(b"3")]}, {}, member=GroupMember("g"))
    await producer.write({OUT: [filled(b"4")]}, {}, member=GroupMember("g"))

    sent = [batch(r) for r in broker.requests if r.API_KEY == 0]
    numbered = [(b.producer_id, b.producer_epoch, b.base_sequence) for b in sent]
    assert numbered == [(77, 5, 0), (77, 5, 2), (77, 5, 3)]


async def test_batches_after_the_first_are_sent_at_once(broker: Kafka) -> None:
    """Five at a time, which Kafka recognises when repeated; the first alone, to make the producer known."""
    producer = await started()
    gate = broker.gates["produce"] = asyncio.Event()
    batches = [filled(b"%d" % number) for number in range(8)]
    writing = asyncio.create_task(producer.write({OUT: batches}, {}, member=GroupMember("g")))
    seen = []
    while not writing.done():
        await settle()
        seen.append([name for name, _ in broker.asked].count("produce"))
        opened, gate = gate, asyncio.Event()
        broker.gates["produce"] = gate
        opened.set()

    assert seen[:3] == [1, 6, 8]


OUT_OF_ORDER = kafka.OutOfOrderSequenceNumber.errno


@pytest.mark.parametrize(
    ("answers", "again"),
    [
        ([0, kafka.NotLeaderForPartitionError.errno, OUT_OF_ORDER, OUT_OF_ORDER], [1, 2, 3]),
        ([0, kafka.KafkaConnectionError("closed"), 0, 0], [1]),
        ([0, 0, kafka.RequestTimedOutError(), OUT_OF_ORDER], [2, 3]),
        ([0, 0, 0, kafka.KafkaConnectionError("closed"), DUPLICATE], [3]),
    ],
)
async def test_batches_in_flight_that_were_not_stored_are_sent_again_in_order(
    answers: list[Any], again: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    broker = install(Kafka(version=FIRST), monkeypatch)
    producer = await started()
    broker.requests.clear()
    broker.answers["produce"] = answers

    await producer.write({OUT: [filled(b"%d" % n) for n in range(4)]}, {}, member=GroupMember("g"))

    sent = [batch(r).base_sequence for r in broker.requests if r.API_KEY == 0]
    assert sent == [0, 1, 2, 3, *again]
    assert broker.requests[-1].transaction_result is True


async def test_a_refused_batch_among_those_in_flight_aborts(broker: Kafka) -> None:
    broker.answers["produce"] = [0, kafka.MessageSizeTooLargeError.errno, OUT_OF_ORDER] * 2
    producer = await started()

    with pytest.raises(kafka.MessageSizeTooLargeError):
        await producer.write({OUT: [filled(b"1")] * 3}, {}, member=GroupMember("g"))

    assert broker.requests[-1].transaction_result is False


def batch(request: Any) -> Any:
    message = bytes(b"" + (b"" + request.encode()))
    (_, partitions), *_ = ProduceRequest_v7.decode(message).topics
    (_, data), *_ = partitions
    return MemoryRecords(data).next_batch()


async def test_partitions_that_were_added_are_known_after_the_next_metadata(broker: Kafka) -> None:
    producer = await started()
    assert await producer.partitions_of(OUT.topic) == [0, 3]

    broker.cluster.read({0, 3, 4})

    assert await producer.partitions_of(OUT.topic) == [0, 3, 4]


async def test_metadata_is_read_again_if_a_partition_is_not_known(broker: Kafka) -> None:
    producer = await started()
    assert await producer.partitions_of(OUT.topic, 2) == [0, 3]
    broker.added = {4}

    assert await producer.partitions_of(OUT.topic, 3) == [0, 3, 4]
