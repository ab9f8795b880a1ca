"""Producers that are not Python, as ``docs/other-languages.md`` writes them, on real Kafka.

Their events are held against the JSON Schemas, their partitions against aiokafka's partitioner,
and a real features worker makes a vector of them.
"""

import asyncio
import json
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from aiokafka.partitioner import DefaultPartitioner
from tests.conftest import Kafka
from tests.support.commands import GNOMON, environ
from tests.support.polling import eventually

from gnomon.records import SourceRecord
from gnomon.runtime.kafka.reading import read_topic

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(120)]

ROOT = Path(__file__).parents[3]
SCHEMAS = {
    path.name.removesuffix(".schema.json"): jsonschema.Draft202012Validator(
        json.loads(path.read_text())
    )
    for path in (ROOT / "schemas").glob("*.schema.json")
}
NOW_MS = time.time_ns() // 1_000_000
PARTITIONS = [0, 1, 2, 3]
KEYS = [
    *(f"agent-{number}" for number in range(120)),
    *(f"команда/{number}" for number in range(40)),
    *("x" * length for length in range(1, 41)),
]
FROM_LINES = """
import { createInterface } from "node:readline";
import { connect, disconnect, publish } from "./gnomon.mjs";
await connect();
const lines = [];
for await (const line of createInterface({ input: process.stdin })) lines.push(JSON.parse(line));
await publish(...lines);
await disconnect();
"""
Event = dict[str, Any]


def blocks(language: str) -> list[str]:
    """Return the code blocks of the page, in their order."""
    page = (ROOT / "docs" / "other-languages.md").read_text()
    return re.findall(rf"^```{language}\n(.*?)^```", page, flags=re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="session")
def kafkajs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with kafkajs and the page's two modules."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        pytest.skip("node and npm are not installed")
    folder = tmp_path_factory.mktemp("kafkajs")
    page = (ROOT / "docs" / "other-languages.md").read_text()
    (package,) = re.findall(r"`npm install (kafkajs@[0-9.]+)`", page)
    (folder / "package.json").write_text('{"private": true}')
    done = subprocess.run(  # noqa: S603  a pinned version, without its scripts
        [npm, "install", "--no-audit", "--no-fund", "--ignore-scripts", package],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    if done.returncode:
        pytest.skip(f"npm could not install {package}")
    module, agent = blocks("js")
    (folder / "gnomon.mjs").write_text(module)
    (folder / "agent.mjs").write_text(agent)
    (folder / "lines.mjs").write_text(FROM_LINES)
    return folder


class Producer:
    """A language's way to publish: the page's example, and any events."""

    def __init__(self, kafka: Kafka, prefix: str, folder: Path) -> None:
        self._env = environ({"GNOMON_BROKERS": kafka.brokers, "GNOMON_TOPIC_PREFIX": prefix})
        self._folder = folder

    def example(self) -> None:
        raise NotImplementedError

    def publish(self, events: Sequence[Event]) -> None:
        raise NotImplementedError

    def _run(self, command: Sequence[str], stdin: str = "") -> None:
        done = subprocess.run(  # noqa: S603  what the page says
            command,
            input=stdin,
            env=self._env,
            cwd=self._folder,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr


class Kcat(Producer):
    def example(self) -> None:
        (script,) = blocks("sh")
        self._run(["bash", "-euo", "pipefail", "-c", script])

    def publish(self, events: Sequence[Event]) -> None:
        (script,) = blocks("sh")
        function = script[: script.index("\n}\n") + 3]
        lines = [
            f"{event['agent_id']}\t{json.dumps(event, ensure_ascii=False)}" for event in events
        ]
        self._run(["bash", "-c", f"{function}publish"], "\n".join(lines) + "\n")


class Kafkajs(Producer):
    def example(self) -> None:
        self._run(["node", "agent.mjs"])

    def publish(self, events: Sequence[Event]) -> None:
        self._run(["node", "lines.mjs"], "\n".join(map(json.dumps, events)) + "\n")


@pytest.fixture(params=["kcat", "kafkajs"])
def producer(request: pytest.FixtureRequest, kafka: Kafka, topics: str, tmp_path: Path) -> Producer:
    if request.param == "kafkajs":
        return Kafkajs(kafka, topics, request.getfixturevalue("kafkajs"))
    if shutil.which("kcat") is None:
        pytest.skip("kcat is not installed (apt-get install kcat)")
    return Kcat(kafka, topics, tmp_path)


@pytest.fixture
def features(kafka: Kafka, topics: str, tmp_path: Path) -> Iterator[None]:
    """A features worker."""
    settings = {
        "GNOMON_BROKERS": kafka.brokers,
        "GNOMON_TOPIC_PREFIX": topics,
        "GNOMON_DATA_DIR": str(tmp_path / "data"),
    }
    with (tmp_path / "worker.log").open("wb") as log:
        worker = subprocess.Popen(  # noqa: S603  our own command
            [*GNOMON, "worker", "features"], env=environ(settings), stdout=log, stderr=log
        )
    try:
        yield
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(60) == 0
    finally:
        worker.kill()
        worker.wait()


async def read(kafka: Kafka, topic: str) -> list[SourceRecord]:
    return [r async for r in read_topic(kafka=kafka.connection, topic=topic, follow=False)]


def valid(record: SourceRecord) -> Event:
    """Decode ``record`` and check it against its schema."""
    event: Event = json.loads(record.value or b"")
    SCHEMAS[event["kind"]].validate(event)
    assert record.key == event["agent_id"].encode()
    return event


def started(agent: str, task: str, minutes_ago: float, **more: Any) -> Event:
    at_ms = NOW_MS - int(minutes_ago * 60_000)
    identity = {"agent_id": agent, "task_id": task, "task_type": "review"}
    return {"kind": "task_started.v1", **identity, "started_at_ms": at_ms, **more}


def finished(start: Event, duration_s: float, *, succeeded: bool, **more: Any) -> Event:
    ended = {
        "kind": "task_finished.v1",
        "finished_at_ms": start["started_at_ms"] + int(duration_s * 1000),
        "duration_s": duration_s,
        "succeeded": succeeded,
    }
    return {**start, **ended, **more}


async def test_the_pages_example_is_a_task(producer: Producer, kafka: Kafka, topics: str) -> None:
    await asyncio.to_thread(producer.example)

    records = await read(kafka, f"{topics}task-events")
    start, finish = map(valid, records)
    assert len({record.partition for record in records}) == 1
    assert (start["kind"], finish["kind"]) == ("task_started.v1", "task_finished.v1")
    for field in ("agent_id", "task_id", "task_type", "started_at_ms", "estimate_s"):
        assert start[field] == finish[field]
    assert abs(start["started_at_ms"] - time.time_ns() // 1_000_000) < 60_000
    assert finish["succeeded"] is True
    assert 0 <= finish["duration_s"] < 10
    if isinstance(producer, Kafkajs):
        assert (start["seq"], finish["seq"]) == (0, 1)
        assert start["producer_id"] == finish["producer_id"]
        assert re.fullmatch("[0-9a-f]{16}", start["producer_id"])


async def test_keys_go_where_java_and_python_put_them(
    producer: Producer, kafka: Kafka, topics: str
) -> None:
    assert len(set(KEYS)) == 200
    await asyncio.to_thread(producer.publish, [started(key, "t", 1) for key in KEYS])

    partitioner = DefaultPartitioner()
    found = {r.key: r.partition for r in await read(kafka, f"{topics}task-events") if valid(r)}
    assert found == {
        key.encode(): partitioner(key.encode(), PARTITIONS, PARTITIONS) for key in KEYS
    }
    assert set(found.values()) == set(PARTITIONS)


@pytest.mark.usefixtures("features")
async def test_a_worker_makes_the_right_vector_of_them(
    producer: Producer, kafka: Kafka, topics: str
) -> None:
    first = started("é-agent", "1", 50, estimate_s=12)
    second = started("é-agent", "2", 40)
    third = started("é-agent", "3", 30)
    old = started("é-agent", "0", 90)
    events = [
        old,
        finished(old, 1000, succeeded=False, code_review_iterations=9),  # over an hour ago
        first,
        finished(first, 10, succeeded=True, code_review_iterations=1, deployment_succeeded=True),
        second,
        finished(second, 20.5, succeeded=True, code_review_iterations=2, outcome={"ok": True}),
        third,
        finished(third, 60.1, succeeded=False, code_review_iterations=6, error_type="Timeout"),
        {**started("é-agent", "4", 20), "a_field_of_tomorrow": [1, 2]},
        {
            "kind": "task_cancelled.v1",
            "agent_id": "é-agent",
            "task_id": "4",
            "cancelled_at_ms": NOW_MS - 18 * 60_000,
        },
        started("é-agent", "5", 10),
        started("é-agent", "6", 1, estimate_s=7.25, context={"chars": 812, "urgent": False}),
    ]
    await asyncio.to_thread(producer.publish, events)

    async def vector() -> Event | None:
        read_ = await read(kafka, f"{topics}task-features")
        found = [valid(record) for record in read_]
        return next((event for event in found if event["task_id"] == "6"), None)

    made = await eventually(vector, timeout_s=40, what="the vector of the last start")
    assert made is not None
    assert (made["agent_id"], made["task_type"], made["estimate_s"]) == ("é-agent", "review", 7.25)
    assert made["context"] == {"chars": 812, "urgent": False}
    figures = made["features"]
    assert figures["tasks_completed_1h"] == 3
    assert figures["avg_execution_time_1h"] == pytest.approx(30.2, abs=1e-9)
    assert figures["median_execution_time_1h"] == pytest.approx(20.5, abs=1e-9)
    assert figures["success_rate_1h"] == pytest.approx(2 / 3, abs=1e-9)
    assert figures["code_review_iterations"] == pytest.approx(3.0, abs=1e-9)
    assert figures["deployment_success_rate_1h"] == 1.0
    assert figures["tasks_in_flight"] == 1
    assert figures["seconds_since_last_finish"] == pytest.approx(29 * 60 - 60.1, abs=0.002)
    assert (figures["same_type_runs"], figures["agent_runs"]) == (4, 4)
    assert figures["agent_avg_execution_time"] == pytest.approx(1090.6 / 4, abs=1e-9)
    assert await read(kafka, f"{topics}dead-letters") == []
