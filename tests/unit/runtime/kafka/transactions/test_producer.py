"""Which requests a transaction sends, in which order, and which are repeated.

Each test runs with both transaction protocols, unless it is about one.
"""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import pytest
from aiokafka import errors as kafka
from aiokafka.client import CoordinationType
from aiokafka.protocol.produce import ProduceRequest_v7
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.structs import TopicPartition

from gnomon.errors import ConfigurationError
from gnomon.runtime.kafka.transactions import retries
from gnomon.runtime.kafka.transactions.group import GroupMember
from gnomon.runtime.kafka.transactions.produce_requests import RecordBatch, new_batch
from gnomon.runtime.kafka.transactions.producer import TransactionalProducer

IN, OUT, LATEST = (TopicPartition(t, 3) for t in ("task-events", "task-features", "latest"))
ADD, AFTER = {24: "add partitions", 25: "add group"}, {26: "end", 28: "commit"}
APIS = {0: "produce", 9: "offsets", 18: "features", 22: "init", **ADD, **AFTER}
DUPLICATE = kafka.DuplicateSequenceNumber.errno
FIRST, SECOND = 1, 2
"""Of ``transaction.version``."""


class Cluster:
    """Metadata: three partitions with leaders on two nodes."""

    def partitions_for_topic(self, topic: str) -> set[int]:
        return {0, 3} if topic != "unknown" else set()

    def leader_for_partition(self, tp: TopicPartition) -> int:
        return 1 if tp == OUT else 2


class Answer:
    """A decoded response: one error code for each partition, or one for all."""

    def __init__(self, codes: Sequence[int], *, by_partition: bool, epoch: int) -> None:
        if by_partition:
            self.topics: list[Any] = [("t", [(3, code) for code in codes], {})]
        else:
            self.error_code = codes[0]
        self.producer_id, self.producer_epoch = 77, epoch


class Kafka:
    """A fake ``AIOKafkaClient``: answers from a list of responses, else with success."""

    def __init__(self, *, version: int) -> None:
        self.versions = dict.fromkeys(APIS, (0, 13))
        self.version = version
        self.epoch = 5
        self.cluster = Cluster()
        self.asked: list[tuple[str, int]] = []
        self.requests: list[Any] = []
        self.answers: defaultdict[str, list[Any]] = defaultdict(list)
        self.looked_up: list[int] = []
        self.offsets: list[tuple[int, str, int]] = []
        self.gates: dict[str, asyncio.Event] = {}

    async def bootstrap(self) -> None:
        """There is nothing to connect to."""

    async def add_topic(self, topic: str) -> None:
        """Nothing is learnt."""

    async def force_metadata_update(self) -> None:
        """The coordinator and the leaders stay."""

    async def coordinator_lookup(self, kind: int, key: str) -> int:
        self.looked_up.append(kind)
        return 7 if kind == CoordinationType.TRANSACTION else 8

    def get_random_node(self) -> int:
        return 1

    async def send(self, node: int, request: Any, **_: object) -> Any:
        name, prepared = APIS[request.API_KEY], request.prepare(self.versions)
        if name == "features":
            features = b"\x02\x14transaction.version" + bytes([0, self.version, 0, 1, 0])
            apis: list[Any] = [(api, 0, newest, {}) for api, (_, newest) in self.versions.items()]
            return prepared.RESPONSE_TYPE(0, apis, 0, {2: features} if self.version else {})
        self.asked.append((name, node))
        self.requests.append(prepared)
        if (gate := self.gates.get(name)) is not None:
            await gate.wait()
        answers = self.answers[name]
        answer = answers.pop(0) if answers else 0
        if isinstance(answer, Exception):
            raise answer
        if name == "offsets":
            offset, metadata, code = self.offsets.pop(0)
            rows: list[Any] = [(IN.partition, offset, -1, metadata, code, {})]
            return prepared.RESPONSE_TYPE(0, [(IN.topic, rows, {})], 0, {})
        if name == "end" and prepared.API_VERSION == 5 and answer == 0:
            self.epoch += 1
        return Answer(
            [answer] if isinstance(answer, int) else answer,
            by_partition=name in {"produce", "add partitions", "commit"},
            epoch=self.epoch,
        )


@pytest.fixture(params=[FIRST, SECOND], ids=["first", "second"])
def broker(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Kafka:
    return install(Kafka(version=request.param), monkeypatch)


def install(made: Kafka, monkeypatch: pytest.MonkeyPatch) -> Kafka:
    monkeypatch.setattr(f"{TransactionalProducer.__module__}.AIOKafkaClient", lambda **_: made)
    monkeypatch.setattr(retries, "BACKOFF_S", 0.001)
    return made


def in_both(*names: str, only_first: Sequence[str] = ()) -> list[tuple[int, str]]:
    """Each request with each protocol that sends it."""
    return [(FIRST, name) for name in (*only_first, *names)] + [(SECOND, name) for name in names]


async def started() -> TransactionalProducer:
    producer = TransactionalProducer("kafka.invalid:9092", "features-3")
    await producer.start()
    return producer


def filled(*values: bytes) -> RecordBatch:
    batch = new_batch()
    assert batch.fill([(b"k", value) for value in values], 0) == len(values)
    return batch


async def settle() -> None:
    """Let every task run until it waits for something outside."""
    for _ in range(50):
        await asyncio.sleep(0)


async def write(producer: TransactionalProducer) -> None:
    await producer.write(
        {OUT: [filled(b"1", b"2")], LATEST: [filled(b"3")]}, {IN: 9}, member=GroupMember("g")
    )


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
