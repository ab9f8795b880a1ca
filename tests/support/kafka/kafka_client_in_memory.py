"""A Kafka client in memory that answers the requests of transactions, for both protocols."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from aiokafka import errors as kafka
from aiokafka.client import CoordinationType
from aiokafka.structs import TopicPartition

from gnomon.connection import KafkaConnection, aiokafka_clients
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
    """Metadata: some partitions with leaders on two nodes."""

    def __init__(self) -> None:
        self.partitions = {0, 3}
        self.listeners: list[Callable[[Cluster], None]] = []

    def add_listener(self, listener: Callable[["Cluster"], None]) -> None:
        self.listeners.append(listener)

    def partitions_for_topic(self, topic: str) -> set[int]:
        return set(self.partitions) if topic != "unknown" else set()

    def read(self, partitions: set[int]) -> None:
        """Take ``partitions`` from a metadata response."""
        self.partitions = partitions
        for listener in self.listeners:
            listener(self)

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
        self.added: set[int] = set()

    async def bootstrap(self) -> None:
        """There is nothing to connect to."""

    async def add_topic(self, topic: str) -> None:
        """Nothing is learnt."""

    async def force_metadata_update(self) -> None:
        """The coordinator and the leaders stay; partitions may have been ``added``."""
        self.cluster.read(self.cluster.partitions | self.added)

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


def install(made: Kafka, monkeypatch: pytest.MonkeyPatch) -> Kafka:
    monkeypatch.setattr(aiokafka_clients, "client", lambda *_, **__: made)
    monkeypatch.setattr(retries, "BACKOFF_S", 0.001)
    return made


def in_both(*names: str, only_first: Sequence[str] = ()) -> list[tuple[int, str]]:
    """Each request with each protocol that sends it."""
    return [(FIRST, name) for name in (*only_first, *names)] + [(SECOND, name) for name in names]


async def started() -> TransactionalProducer:
    producer = TransactionalProducer(KafkaConnection("kafka.invalid:9092"), "features-3")
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
