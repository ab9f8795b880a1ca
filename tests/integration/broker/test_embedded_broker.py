"""Tests of the embedded broker: start, records, stop, restart, crash."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.structs import OffsetAndMetadata
from tests.conftest import Kafka
from tests.support.polling import eventually
from tests.support.processes import processes_that_mention

from gnomon.broker import EmbeddedBroker
from gnomon.broker.failures import DataDirInUseError
from gnomon.broker.node import QUICKLY_LOADED_BYTES
from gnomon.connection import KafkaConnection
from gnomon.operations.topics_admin import create_topics

pytestmark = [pytest.mark.kafka, pytest.mark.slow, pytest.mark.timeout(180)]

PARTITION = TopicPartition("task-events", 0)


@pytest.fixture
def broker(kafka: Kafka, tmp_path: Path) -> Iterator[EmbeddedBroker]:
    """A broker of this test's own; skipped if the session's broker could not be started."""
    if kafka.broker is None:
        pytest.skip("the tests run against a broker of GNOMON_TEST_BROKERS")
    broker = EmbeddedBroker(data_dir=tmp_path)
    yield broker
    broker.stop()


async def produce(brokers: str, *values: bytes) -> None:
    async with AIOKafkaProducer(bootstrap_servers=brokers, acks="all") as producer:
        for value in values:
            await producer.send_and_wait(PARTITION.topic, value, partition=PARTITION.partition)


async def consume(brokers: str, count: int) -> list[bytes | None]:
    async with AIOKafkaConsumer(
        bootstrap_servers=brokers, auto_offset_reset="earliest"
    ) as consumer:
        consumer.assign([PARTITION])
        return [(await consumer.getone()).value for _ in range(count)]


NOTE = "n" * 4000


async def commit(brokers: str, offset: int) -> None:
    async with AIOKafkaConsumer(
        bootstrap_servers=brokers, group_id="g", enable_auto_commit=False
    ) as consumer:
        consumer.assign([PARTITION])
        for _ in range(QUICKLY_LOADED_BYTES // len(NOTE) + 1):
            await consumer.commit({PARTITION: OffsetAndMetadata(offset, NOTE)})


async def committed(brokers: str) -> int | None:
    """Ask until there is an answer: while the offsets are loaded, aiokafka takes the refusal for none."""
    async with AIOKafkaConsumer(bootstrap_servers=brokers, group_id="g") as consumer:
        consumer.assign([PARTITION])
        return await eventually(lambda: consumer.committed(PARTITION), what="a committed offset")


def cluster_id(data_dir: Path) -> str:
    lines = (data_dir / "broker" / "data" / "meta.properties").read_text().splitlines()
    return next(line for line in lines if line.startswith("cluster.id="))


async def test_records_outlive_a_stop_a_crash_and_the_process(
    broker: EmbeddedBroker, tmp_path: Path
) -> None:
    brokers = broker.start()
    await create_topics(KafkaConnection(brokers))
    await produce(brokers, b"one")
    cluster = cluster_id(tmp_path)
    with pytest.raises(DataDirInUseError, match=str(broker.pid)):
        EmbeddedBroker(data_dir=tmp_path).start()

    assert broker.restart() == brokers
    await produce(brokers, b"two")
    broker.kill()
    assert broker.pid is None
    assert processes_that_mention(str(tmp_path)) == []
    said: list[str] = []
    with EmbeddedBroker(data_dir=tmp_path, progress=said.append) as other:
        assert other.brokers != brokers
        assert await consume(other.brokers, 2) == [b"one", b"two"]
        assert said == ["starting Apache Kafka"]  # no group has offsets

    assert cluster_id(tmp_path) == cluster
    assert other.pid is None
    assert processes_that_mention(str(tmp_path)) == []


async def test_after_a_crash_it_is_stopped_in_order_if_offsets_take_time_to_load(
    broker: EmbeddedBroker, tmp_path: Path
) -> None:
    """Else it loads offsets twice at once, and may answer with old ones."""
    brokers = broker.start()
    await create_topics(KafkaConnection(brokers))
    await produce(brokers, b"one")
    await commit(brokers, 1)
    broker.kill()

    twice: list[str] = []
    with EmbeddedBroker(data_dir=tmp_path, progress=twice.append) as other:
        assert await committed(other.brokers) == 1
    once: list[str] = []
    with EmbeddedBroker(data_dir=tmp_path, progress=once.append) as other:
        assert await committed(other.brokers) == 1

    assert len(twice) == 3
    assert "starts twice" in twice[0]
    assert [twice[1], twice[2]] == once * 2
