"""A worker that was idle for so long that Kafka has forgotten its transactional id."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.structs import TopicPartition
from tests.conftest import Kafka
from tests.integration.runtime.bench import Bench
from tests.support.polling import eventually

from gnomon.broker import EmbeddedBroker
from gnomon.operations.topics_admin import create_topics

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(180)]

STATE = TopicPartition("__transaction_state", 0)
FORGETFUL = {
    "transaction.state.log.num.partitions": "1",
    "transactional.id.expiration.ms": "1000",
    "transaction.remove.expired.transaction.cleanup.interval.ms": "200",
}


@pytest.fixture
async def broker(kafka: Kafka, tmp_path: Path) -> AsyncIterator[EmbeddedBroker]:
    """A broker of the test's own; the fixture ``kafka`` skips where none can be started."""
    if kafka.broker is None:
        pytest.skip("Java may be missing where the tests do not start their broker")
    own = EmbeddedBroker(data_dir=tmp_path / "broker", settings=FORGETFUL)
    await asyncio.to_thread(own.start)
    try:
        yield own
    finally:
        await asyncio.to_thread(own.stop)


async def await_forgotten(brokers: str) -> None:
    """Wait until the newest record of every transactional id says that it was removed."""
    newest: dict[bytes, bytes | None] = {}
    async with AIOKafkaConsumer(
        bootstrap_servers=brokers, auto_offset_reset="earliest"
    ) as consumer:
        consumer.assign([STATE])

        async def gone() -> bool:
            for records in (await consumer.getmany(timeout_ms=100)).values():
                newest.update({record.key: record.value for record in records})
            return bool(newest) and not any(newest.values())

        await eventually(gone, what="Kafka has forgotten the transactional id")


@pytest.fixture
async def bench(broker: EmbeddedBroker, prefix: str, tmp_path: Path) -> AsyncIterator[Bench]:
    """On that broker."""
    await create_topics(broker.connection, prefix=prefix, partitions=4, replication=1)
    found = Bench(broker.brokers, prefix, tmp_path / "data")
    yield found
    await found.stop_all()


async def test_it_is_begun_again_in_place(bench: Bench) -> None:
    worker = await bench.start()
    await bench.send([b"v"] * 8)
    await bench.expect(2)

    for each in (4, 6):
        await await_forgotten(bench.settings.brokers)
        await bench.send([b"v"] * 8)
        await bench.expect(each)

    await bench.stop(worker)  # raises the error of a worker that has ended
    assert await bench.dead_letters() == []
