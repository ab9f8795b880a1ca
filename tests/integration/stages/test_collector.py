"""OpenTelemetry's records on a real Kafka become task events, and those become features."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from opentelemetry.sdk.trace import ReadableSpan
from tests.conftest import Kafka
from tests.support.genai import SECOND_NS, Recorder, as_json, as_protobuf
from tests.support.polling import eventually

from gnomon.client import Client
from gnomon.connection import KafkaConnection
from gnomon.events import TaskCancelled
from gnomon.operations.lag import overview
from gnomon.records import SourceRecord
from gnomon.runtime.kafka.reading import read_topic
from gnomon.runtime.metrics import Metrics
from gnomon.runtime.process.stage_worker import StageWorker
from gnomon.settings import Settings
from gnomon.stages.collector import CollectorStage
from gnomon.stages.features import FeaturesStage

pytestmark = pytest.mark.kafka

PARTITIONS = 6
"""Of the Collector's topic: more than gnomon's own topics have."""
START_NS = 1_760_000_000_000_000_000


class Rig:
    """The Collector's topic and gnomon's, and workers to run on them."""

    def __init__(self, kafka: Kafka, prefix: str, folder: Path) -> None:
        self.brokers, self.prefix = kafka.brokers, prefix
        self.settings = Settings(brokers=kafka.brokers, topic_prefix=prefix, data_dir=str(folder))

    async def create(self) -> None:
        admin = AIOKafkaAdminClient(bootstrap_servers=self.brokers)
        await admin.start()
        try:
            name = f"{self.prefix}otlp_spans"
            await admin.create_topics([NewTopic(name, PARTITIONS, 1)])
        finally:
            await admin.close()

    async def send(self, *values: bytes, partition: int = 5) -> None:
        """As the Collector's exporter does: one record a batch of spans."""
        async with AIOKafkaProducer(bootstrap_servers=self.brokers) as producer:
            for value in values:
                await producer.send_and_wait(f"{self.prefix}otlp_spans", value, partition=partition)

    async def read(self, topic: str) -> list[SourceRecord]:
        name = f"{self.prefix}{topic}"
        return [
            r
            async for r in read_topic(kafka=KafkaConnection(self.brokers), topic=name, follow=False)
        ]

    async def await_records(self, topic: str, count: int) -> list[SourceRecord]:
        async def there() -> list[SourceRecord]:
            found = await self.read(topic)
            return found if len(found) >= count else []

        return await eventually(there, what=f"{count} records in {topic}")

    async def await_values(self, topic: str, count: int) -> list[dict[str, Any]]:
        records = await self.await_records(topic, count)
        return [json.loads(record.value or b"") for record in records]

    @asynccontextmanager
    async def running(self, stage: Any) -> AsyncIterator[StageWorker[Any]]:
        worker = StageWorker(stage, settings=self.settings, metrics=Metrics())
        task = asyncio.create_task(worker.run(port=0))
        try:
            yield worker
        finally:
            worker.stop()
            await task


@pytest.fixture
async def rig(kafka: Kafka, topics: str, tmp_path: Path) -> Rig:
    rig = Rig(kafka, topics, tmp_path)
    await rig.create()
    return rig


def a_run(agent: str, *, at_s: int, took_s: int = 2) -> Sequence[ReadableSpan]:
    """An agent's run with a tool call in it, as the SDK would export it: the inner span first."""
    recorder = Recorder(service="desk")
    start_ns = START_NS + at_s * SECOND_NS
    attributes = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": agent}
    span = recorder.tracer.start_span("invoke", attributes=attributes, start_time=start_ns)
    tool = {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.agent.name": agent,
        "gen_ai.tool.name": "search",
    }
    recorder.tracer.start_span("tool", attributes=tool, start_time=start_ns).end(
        start_ns + SECOND_NS
    )
    span.end(start_ns + took_s * SECOND_NS)
    return recorder.ended()


async def test_batches_in_both_encodings_become_features(rig: Rig) -> None:
    await rig.send(
        as_protobuf(a_run("router", at_s=0)),
        as_json(a_run("router", at_s=10)),
        as_protobuf(a_run("router", at_s=20)),
    )
    async with (
        rig.running(CollectorStage()),
        rig.running(FeaturesStage(rig.settings, metrics=Metrics(), now_ms=lambda: 0)),
    ):
        found = await rig.await_values("task-features", 6)
    runs = [f for f in found if f["task_type"] == "invoke_agent"]
    assert [f["agent_id"] for f in found] == ["router"] * 6
    assert Counter(f["task_type"] for f in found) == {
        "invoke_agent": 3,
        "tool:search": 3,
    }
    # Two tasks of each earlier run had ended: the run in 2 s, its tool in 1 s.
    assert [f["features"]["tasks_completed_1h"] for f in runs] == [0, 2, 4]
    assert runs[2]["features"]["avg_execution_time_1h"] == 1.5
    assert [f["started_at_ms"] for f in runs] == [
        1_760_000_000_000,
        1_760_000_010_000,
        1_760_000_020_000,
    ]


async def test_an_agents_events_are_in_the_partition_where_a_client_puts_them(rig: Rig) -> None:
    agents = [f"agent-{number}" for number in range(12)]
    client = Client(rig.brokers, topic_prefix=rig.prefix)
    for agent in agents:
        assert client.emit(TaskCancelled(agent_id=agent, task_id="t", cancelled_at_ms=1))
    assert await client.aflush(20.0) == 0
    client.close()
    for at, agent in enumerate(agents):
        await rig.send(as_protobuf(a_run(agent, at_s=at)), partition=at % PARTITIONS)
    async with rig.running(CollectorStage()):
        await rig.await_values("task-events", 12 * 5)
    places: dict[str, set[int]] = {agent: set() for agent in agents}
    for record in await rig.read("task-events"):
        agent = json.loads(record.value or b"")["agent_id"]
        assert record.key == agent.encode()
        places[agent].add(record.partition)
    assert all(len(partitions) == 1 for partitions in places.values())
    assert len(set().union(*places.values())) > 1


async def test_after_a_restart_every_span_has_been_published_once(rig: Rig) -> None:
    await rig.send(as_protobuf(a_run("router", at_s=0)))
    async with rig.running(CollectorStage()):
        await rig.await_values("task-events", 4)
    await rig.send(as_json(a_run("router", at_s=10)))
    async with rig.running(CollectorStage()) as worker:
        found = await rig.await_values("task-events", 8)
        await eventually(lambda: worker.health.ready, what="the worker is ready")
    stages = {
        s.name: s for s in await overview(kafka=KafkaConnection(rig.brokers), prefix=rig.prefix)
    }
    assert stages["collector"].lag == 0
    tasks = Counter((event["task_id"], event["kind"]) for event in found)
    assert set(tasks.values()) == {1}
    assert len(await rig.read("task-events")) == 8


async def test_what_cannot_be_read_is_kept_aside_and_the_rest_goes_on(rig: Rig) -> None:
    backwards = Recorder()
    agent = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "router"}
    backwards.tracer.start_span("a", attributes=agent, start_time=START_NS).end(START_NS - 1)
    mixed = [*backwards.ended(), *a_run("router", at_s=0)]
    poison = [b"no span at all", b"\x0a\xff", b'{"resourceSpans": 7}']
    await rig.send(*poison, b"", as_protobuf(mixed), as_json(a_run("router", at_s=10)))
    async with rig.running(CollectorStage()):
        found = await rig.await_values("task-events", 8)
        letters = await rig.await_records("dead-letters", 4)
    assert len(found) == 8
    reasons = [dict(letter.headers)["gnomon-reason"].decode() for letter in letters]
    assert sorted(reasons) == ["not_otlp", "not_otlp", "not_otlp", "span_times"]
    assert [letter.value for letter in letters] == [*poison, as_protobuf(mixed)]
    (partial,) = [dict(r.headers) for r in letters if r.value not in poison]
    assert b"1 spans refused, the rest published" in partial["gnomon-detail"]
    assert partial["gnomon-partition"] == b"5"
