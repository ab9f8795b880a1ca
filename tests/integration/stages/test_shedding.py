"""Shadow far behind, on real Kafka: the oldest are passed over, and the ledger's account holds."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from tests.conftest import Kafka
from tests.support.polling import eventually

from gnomon import codec
from gnomon.events import AbsentModel, Completeness, FeatureVector, TaskFeatures
from gnomon.runtime.kafka.reading import read_topic
from gnomon.runtime.metrics import Metrics
from gnomon.runtime.process.stage_worker import StageWorker
from gnomon.settings import Settings
from gnomon.stages.shadow import ShadowStage

pytestmark = pytest.mark.kafka

TASKS = 3000


class NoModels:
    """Nothing is live: the baselines alone predict."""

    live: tuple[()] = ()

    def absent(self) -> list[AbsentModel]:
        return []

    async def start(self) -> None:
        """Nothing to load."""

    async def stop(self) -> None:
        """Nothing to stop."""

    def status(self) -> dict[str, object]:
        return {}


async def send(kafka: Kafka, prefix: str, *, first: int, count: int) -> None:
    async with AIOKafkaProducer(bootstrap_servers=kafka.brokers, linger_ms=5) as producer:
        for number in range(first, first + count):
            task = TaskFeatures(
                agent_id="agent",
                task_id=str(number),
                task_type="review",
                started_at_ms=1_760_000_000_000 + number,
                features=FeatureVector(),
                completeness=Completeness(hour_seen=1.0),
                estimate_s=5.0,
            )
            await producer.send(f"{prefix}task-features", codec.encode(task), partition=0)


async def test_who_is_far_behind_catches_up_by_passing_tasks_over(
    kafka: Kafka, topics: str, tmp_path: Path
) -> None:
    await send(kafka, topics, first=0, count=TASKS)
    settings = Settings(
        brokers=kafka.brokers,
        topic_prefix=topics,
        data_dir=str(tmp_path),
        batch_max_records=200,
        stall_after_s=2.0,
    )
    models: Any = NoModels()
    stage = ShadowStage(models, metrics=Metrics(), now_ms=lambda: 0, shed_lag_records=1000)
    worker = StageWorker(stage, settings=settings, metrics=Metrics())
    running = asyncio.create_task(worker.run(port=0))

    async def all_answered(tasks: int) -> list[dict[str, Any]]:
        found = [
            json.loads(record.value or b"")
            async for record in read_topic(
                kafka=kafka.connection, topic=f"{topics}shadow-predictions", follow=False
            )
        ]
        return found if len({f["task_id"] for f in found}) >= tasks else []

    found = await eventually(lambda: all_answered(TASKS), what="each task is answered")
    await send(kafka, topics, first=TASKS, count=10)
    everything = await eventually(lambda: all_answered(TASKS + 10), what="ten more")
    after = [f for f in everything if int(f["task_id"]) >= TASKS]
    worker.stop()
    await running

    assert list(dict.fromkeys(f["task_id"] for f in found)) == [str(n) for n in range(TASKS)]
    shed = [int(f["task_id"]) for f in found if f["kind"] == "prediction_shed.v1"]
    assert shed
    # What came last was predicted: at most half the budget waits when shedding ends.
    assert max(shed) < TASKS - 500
    assert {f["kind"] for f in after} == {"prediction.v1"}
