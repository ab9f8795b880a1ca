"""The broker is stopped and started again: the worker continues, or ends to be restarted."""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.conftest import Kafka
from tests.integration.runtime.bench import Bench
from tests.support.polling import eventually

from gnomon.broker import EmbeddedBroker
from gnomon.errors import GnomonError
from gnomon.operations.topics_admin import create_topics

pytestmark = [pytest.mark.kafka, pytest.mark.slow, pytest.mark.timeout(180)]

STALL_AFTER_S = 3.0
OUTAGE_S = float(os.environ.get("GNOMON_TEST_OUTAGE_S", "8"))


@pytest.fixture
async def broker(kafka: Kafka, tmp_path: Path) -> AsyncIterator[EmbeddedBroker]:
    """A broker of the test's own; the fixture ``kafka`` skips where none can be started."""
    if kafka.broker is None:
        pytest.skip("the broker is not ours to stop, and Java may be missing")
    own = EmbeddedBroker(data_dir=tmp_path / "broker")
    await asyncio.to_thread(own.start)
    try:
        yield own
    finally:
        await asyncio.to_thread(own.stop)


async def test_work_goes_on_after_an_outage(
    broker: EmbeddedBroker, prefix: str, tmp_path: Path
) -> None:
    await create_topics(broker.connection, prefix=prefix, partitions=4, replication=1)
    bench = Bench(broker.brokers, prefix, tmp_path / "data")
    worker = await bench.start(stall_after_s=STALL_AFTER_S)
    await bench.send([b"v"] * 400)
    await bench.expect(100)
    ended: list[str] = []

    async def supervised() -> None:
        current = worker
        while True:
            error = await bench.until_ended(current)
            if not isinstance(error, GnomonError):
                raise error or AssertionError("it ended without an error")
            ended.append(repr(error))
            await asyncio.sleep(0.2)
            current = await bench.start(ready=False, stall_after_s=STALL_AFTER_S)

    supervising = asyncio.create_task(supervised())
    try:
        await asyncio.to_thread(broker.kill)
        await eventually(lambda: bool(ended) or not worker.health.ready, what="it is told")
        await asyncio.sleep(OUTAGE_S)
        await asyncio.to_thread(broker.start)
        await bench.send([b"v"] * 400)
        await bench.expect(200, timeout_s=45)
    finally:
        supervising.cancel()
        await asyncio.wait([supervising])
        await bench.stop_all()
