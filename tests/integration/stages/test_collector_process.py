"""``gnomon worker collector`` as it is typed, and what ``gnomon status`` says of it."""

import asyncio
import signal
import subprocess
from pathlib import Path

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from tests.conftest import Kafka
from tests.support.commands import GNOMON, environ, gnomon
from tests.support.polling import eventually_sync

from gnomon.operations.lag import overview
from gnomon.operations.topics_admin import create_topics

pytestmark = pytest.mark.kafka


async def make(kafka: Kafka, topic: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.brokers)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(topic, 2, 1)])
    finally:
        await admin.close()


@pytest.fixture
def settings(kafka: Kafka, prefix: str, tmp_path: Path) -> dict[str, str]:
    asyncio.run(create_topics(kafka.connection, prefix=prefix, partitions=2, replication=1))
    return {
        "GNOMON_BROKERS": kafka.brokers,
        "GNOMON_TOPIC_PREFIX": prefix,
        "GNOMON_DATA_DIR": str(tmp_path),
    }


def stages(kafka: Kafka, prefix: str) -> dict[str, int]:
    """Workers by stage, as ``gnomon status`` has them."""
    found = asyncio.run(overview(kafka=kafka.connection, prefix=prefix))
    return {stage.name: stage.workers for stage in found}


def test_it_runs_where_its_topic_is_and_status_knows_it(
    kafka: Kafka, prefix: str, settings: dict[str, str]
) -> None:
    assert "collector" not in stages(kafka, prefix)
    asyncio.run(make(kafka, f"{prefix}otlp_spans"))
    assert stages(kafka, prefix)["collector"] == 0
    with subprocess.Popen(  # noqa: S603  our own command
        [*GNOMON, "worker", "collector"], env=environ(settings), stderr=subprocess.DEVNULL
    ) as worker:
        try:
            eventually_sync(
                lambda: stages(kafka, prefix)["collector"] == 1,
                timeout_s=60,
                what="the worker joined",
            )
            worker.send_signal(signal.SIGTERM)
            assert worker.wait(60) == 0
        finally:
            worker.kill()


def test_without_its_topic_it_says_so(settings: dict[str, str], prefix: str) -> None:
    ended = gnomon("worker", "collector", **settings)
    assert ended.returncode == 2
    assert f"'{prefix}otlp_spans': it is not gnomon's own" in ended.stderr
