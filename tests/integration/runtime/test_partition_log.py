"""The log of a partition on a real Kafka keeps the contract that unit tests' fake keeps."""

import contextlib
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager

import pytest
from aiokafka import AIOKafkaProducer
from tests.conftest import Kafka
from tests.support.partition_log_contract import OUT, PartitionLogContract
from tests.support.polling import eventually

from gnomon.errors import BrokerUnavailableError
from gnomon.runtime.kafka.reading import read_topic
from gnomon.runtime.kafka.transactions.writer import TransactionalWriter
from gnomon.runtime.partition.log import KafkaPartitionLog
from gnomon.runtime.partition.ports import OutputWriter, PartitionRef

pytestmark = pytest.mark.kafka


class _OnKafka:
    """Partition 0 of task-events, and a consumer group of its own."""

    def __init__(self, brokers: str, prefix: str) -> None:
        self._brokers, self._prefix = brokers, prefix
        self.topic = f"{prefix}task-events"
        ref = PartitionRef(brokers=brokers, group=f"{prefix}contract", prefix=prefix, partition=0)
        self.log = KafkaPartitionLog(ref)

    def open_writer(self) -> AbstractAsyncContextManager[OutputWriter]:
        return TransactionalWriter(
            brokers=self._brokers,
            group=f"{self._prefix}contract",
            stage="numbering",
            partition=0,
            prefix=self._prefix,
        )

    async def append(self, *values: bytes) -> None:
        async with AIOKafkaProducer(bootstrap_servers=self._brokers) as producer:
            for value in values:
                await producer.send_and_wait(self.topic, value, partition=0)

    async def outputs(self) -> Sequence[bytes]:
        topic = self._prefix + OUT
        found = read_topic(brokers=self._brokers, topic=topic, follow=False)
        return [record.value or b"" async for record in found if record.partition == 0]


class TestKafkaPartitionLog(PartitionLogContract):
    """The contract."""

    @pytest.fixture
    async def kafka(self, kafka: Kafka, topics: str) -> _OnKafka:
        made = _OnKafka(kafka.brokers, topics)

        async def coordinated() -> bool:
            with contextlib.suppress(BrokerUnavailableError):
                return bool(await made.log.resume_offsets([made.topic]))
            return False

        # A cluster that was never asked about a group first creates the topic of groups' offsets.
        await eventually(coordinated, what="the group has a coordinator")
        return made
