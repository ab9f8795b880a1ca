"""The log of a partition on a real Kafka keeps the contract that unit tests' fake keeps."""

import contextlib
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from tests.conftest import Kafka
from tests.support.kafka.group_writer import group_writer
from tests.support.kafka.partition_log_contract import OUT, PartitionLogContract
from tests.support.polling import eventually

from gnomon.connection import KafkaConnection
from gnomon.errors import BrokerUnavailableError
from gnomon.runtime.kafka.leaders import Leaders
from gnomon.runtime.kafka.reading import read_topic
from gnomon.runtime.kafka.transactions import group as group_module
from gnomon.runtime.kafka.transactions.group import GroupMember
from gnomon.runtime.kafka.transactions.producer import TransactionalProducer
from gnomon.runtime.kafka.transactions.stable_offsets import StableOffsets
from gnomon.runtime.partition.log.partition_log import KafkaPartitionLog
from gnomon.runtime.partition.ports import OutputWriter, PartitionRef

pytestmark = pytest.mark.kafka


class _OnKafka:
    """Partition 0 of task-events, and a consumer group of its own."""

    def __init__(self, brokers: str, prefix: str) -> None:
        self._brokers, self._prefix = brokers, prefix
        self.topic = f"{prefix}task-events"
        self._group = f"{prefix}contract"
        ref = PartitionRef(
            kafka=KafkaConnection(brokers), group=self._group, prefix=prefix, partition=0
        )
        self.producer = TransactionalProducer(KafkaConnection(brokers), f"{self._group}-reader")
        offsets = StableOffsets(self.producer, stage="numbering", transactional_id="")
        offsets.joined(GroupMember(self._group), can_end=False)
        self.consumer = AIOKafkaConsumer(bootstrap_servers=brokers)
        self.log = KafkaPartitionLog(ref, read_offsets=offsets.read, leaders=Leaders(self.consumer))

    def open_writer(self) -> AbstractAsyncContextManager[OutputWriter]:
        return group_writer(
            self._brokers, group=self._group, prefix=self._prefix, stage="numbering"
        )

    async def append(self, *values: bytes) -> None:
        async with AIOKafkaProducer(bootstrap_servers=self._brokers) as producer:
            for value in values:
                await producer.send_and_wait(self.topic, value, partition=0)

    async def outputs(self) -> Sequence[bytes]:
        topic = self._prefix + OUT
        found = read_topic(kafka=KafkaConnection(self._brokers), topic=topic, follow=False)
        return [record.value or b"" async for record in found if record.partition == 0]


class TestKafkaPartitionLog(PartitionLogContract):
    """The contract."""

    @pytest.fixture
    async def kafka(
        self, kafka: Kafka, topics: str, monkeypatch: pytest.MonkeyPatch
    ) -> AsyncIterator[_OnKafka]:
        monkeypatch.setattr(group_module, "NEXT_GENERATION_S", 0.1)
        made = _OnKafka(kafka.brokers, topics)
        await made.producer.start()
        await made.consumer.start()

        async def coordinated() -> bool:
            with contextlib.suppress(BrokerUnavailableError):
                return bool(await made.log.resume_offsets([made.topic]))
            return False

        # A cluster that was never asked about a group first creates the topic of groups' offsets.
        await eventually(coordinated, what="the group has a coordinator")
        yield made
        await made.producer.stop()
        await made.consumer.stop()
