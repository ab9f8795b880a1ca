"""Runs of over a day and cancelled ones, and a replay whose events the stages refuse."""

import time
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from tests.conftest import Kafka
from tests.integration.replay.recorded import Replaying

from gnomon.events import TaskStarted
from gnomon.operations.local_stack import StackError
from gnomon.operations.topics_admin import create_topics
from gnomon.replay.run import Replay
from gnomon.settings import Settings
from gnomon.topics import DEAD_LETTERS

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(400)]

CASES = Path(__file__).parents[2] / "unit" / "replay" / "source" / "cases"


@pytest.mark.slow
def test_a_run_of_thirty_hours_counts_like_the_others(kafka: Kafka, tmp_path: Path) -> None:
    file = tmp_path / "runs.csv"
    rows = (CASES / "one_long.csv").read_text()
    file.write_text(f"{rows}gone,m,job,2026-03-02T02:30:00Z,2026-03-02T02:31:00Z,cancelled\n")

    with Replaying(tmp_path, file, train_every=0, brokers=kafka.brokers) as running:
        replayed = running.finished()

    ledger = {name: n for name, n in replayed.report["ledger"].items() if n}
    assert ledger == {"predictions": 42, "matched": 41, "cancelled": 1}
    outcomes = [d["outcome"] for d in replayed.records("comparisons")]
    assert max(o["duration_s"] for o in outcomes if o["status"] == "matched") == 108_000.0
    assert all(row["expired"] == 0 for row in replayed.report["models"])


class Stack:
    """Workers that take nothing."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def check(self) -> None:
        """All run."""

    async def status(self, stage: str) -> dict[str, Any]:
        """Nothing was read."""
        return {"ledger": {"predictions": 0}, "stage": stage}


class Trainer:
    def stored(self) -> int:
        return 0

    def train(self) -> str:
        raise AssertionError("nothing to train on")


async def test_a_replay_that_waits_says_what_was_refused(kafka: Kafka, prefix: str) -> None:
    settings = Settings(brokers=kafka.brokers, topic_prefix=prefix)
    await create_topics(settings.kafka, prefix=prefix, partitions=1, replication=1)
    producer = AIOKafkaProducer(bootstrap_servers=kafka.brokers)
    await producer.start()
    headers = {"stage": b"features", "reason": b"invalid", "detail": b"Expected `float`"}
    await producer.send_and_wait(
        prefix + DEAD_LETTERS.name,
        b"{}",
        headers=[(f"gnomon-{name}", value) for name, value in headers.items()],
    )
    await producer.stop()
    replay = Replay(
        Stack(settings),  # type: ignore[arg-type]
        trainer=Trainer(),
        train_every=0,
        speed=None,
        show=lambda _: None,
    )
    began_s = time.monotonic()

    with pytest.raises(StackError, match=r"refused 1 records, .* features: invalid: Expected"):
        await replay.run([TaskStarted(agent_id="a", task_id="t", task_type="k", started_at_ms=1)])

    assert time.monotonic() - began_s < 60
