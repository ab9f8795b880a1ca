"""``gnomon models list`` and ``gnomon status`` tell how features have moved, from the newest decisions."""

import asyncio
import json
from pathlib import Path

import msgspec
import pytest
from aiokafka import AIOKafkaProducer
from tests.conftest import Kafka
from tests.unit.models.runs import runs

from gnomon import codec
from gnomon.cli import main
from gnomon.models.describe import Circumstances, card_file
from gnomon.models.learners.catalog import LEARNERS
from gnomon.models.registry import Registry
from gnomon.models.train import train
from gnomon.operations.topics_admin import create_topics

pytestmark = pytest.mark.kafka


async def _publish(kafka: Kafka, prefix: str, values: list[bytes]) -> None:
    await create_topics(kafka.connection, prefix=prefix, partitions=4, replication=1)
    async with AIOKafkaProducer(bootstrap_servers=kafka.brokers) as producer:
        for number, value in enumerate(values):
            await producer.send(f"{prefix}comparisons", value, partition=number % 4)


def test_moved_features_are_told_of_live_versions(
    kafka: Kafka,
    prefix: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    *,
    registry: Registry,
) -> None:
    for name, value in {
        "BROKERS": kafka.brokers, "TOPIC_PREFIX": prefix, "DATA_DIR": str(tmp_path),
    }.items():  # fmt: skip
        monkeypatch.setenv(f"GNOMON_{name}", value)
    trained = train(runs(400), learner=LEARNERS["pool"]())
    files = card_file(trained, Circumstances())
    for alias in (None, "challenger"):
        registry.register(trained, alias=alias, author="test", files=files)
    moved = [
        msgspec.structs.replace(
            run, features=msgspec.structs.replace(run.features, agent_runs=10_000 + n)
        )
        for n, run in enumerate(runs(1_000))
    ]
    # The older ones are as in training; only the newest thousand count.
    asyncio.run(_publish(kafka, prefix, [codec.encode(r) for r in (*runs(400), *moved)]))

    assert main(["models", "list"]) == 0
    assert "version 2: features reason to retrain: agent_runs (PSI " in capsys.readouterr().out
    assert main(["models", "list", "--json"]) == 0
    by_version = {
        found["version"]: found["drift"]
        for found in map(json.loads, capsys.readouterr().out.splitlines())
    }
    assert by_version["1"] is None  # it has no alias
    assert by_version["2"]["rows"] == 1_000
    assert by_version["2"]["features"]["agent_runs"]["psi"] > 5
    assert main(["status", "--json"]) == 0
    status = json.loads(capsys.readouterr().out)
    assert status["feature_drift"] == {"2": by_version["2"]}
