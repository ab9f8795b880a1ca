"""Tests of ``gnomon gateway`` as a process: what it accepted is in Kafka when it has ended."""

import asyncio
import json
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace.export import SpanExportResult
from tests.conftest import Kafka
from tests.support.commands import GNOMON, environ, gnomon
from tests.support.genai import Recorder
from tests.support.polling import eventually_sync

from gnomon.operations.topics_admin import create_topics
from gnomon.runtime.kafka.reading import read_topic

pytestmark = pytest.mark.kafka

NOBODY = "127.0.0.1:9"
"""The discard port: no broker listens there."""
AGENT = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "router"}


class Gateway:
    """A running gateway: its output, and its address."""

    def __init__(self, process: "subprocess.Popen[bytes]", log: Path) -> None:
        self.process, self._log = process, log
        found = eventually_sync(lambda: self.said("gateway.serves"), what="the gateway serves")
        self.url = f"http://127.0.0.1:{found[0]['port']}"

    def said(self, event: str) -> list[dict[str, Any]]:
        """Return its log lines with one name."""
        lines = []
        for line in self._log.read_text().splitlines():
            with suppress(ValueError):
                lines.append(json.loads(line))
        return [line for line in lines if line["event"] == event]

    def post(self, path: str, body: bytes) -> int:
        """Return the status of the response."""
        request = urllib.request.Request(self.url + path, data=body)  # noqa: S310  http, loopback
        try:
            with urllib.request.urlopen(request, timeout=60) as response:  # noqa: S310
                return int(response.status)
        except urllib.error.HTTPError as error:
            return error.code

    def end(self) -> int:
        """Send SIGTERM; return the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)


@contextmanager
def gateway(folder: Path, *arguments: str, settings: Mapping[str, str]) -> Iterator[Gateway]:
    log = folder / "gateway.log"
    with log.open("wb") as out:
        process = subprocess.Popen(  # noqa: S603  our own command
            [*GNOMON, "gateway", "--port", "0", *arguments],
            env=environ({**settings, "GNOMON_LOG_FORMAT": "json"}),
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
    try:
        yield Gateway(process, log)
    finally:
        process.kill()
        process.wait(60)


def some_events(count: int) -> bytes:
    return b"\n".join(
        json.dumps(
            {
                "kind": "task_started.v1",
                "agent_id": f"agent-{number % 5}",
                "task_id": f"t{number}",
                "task_type": "x",
                "started_at_ms": 1_760_000_000_000 + number,
            }
        ).encode()
        for number in range(count)
    )


def published(kafka: Kafka, prefix: str) -> list[dict[str, Any]]:
    async def read() -> list[dict[str, Any]]:
        topic = f"{prefix}task-events"
        records = read_topic(kafka=kafka.connection, topic=topic, follow=False)
        return [json.loads(record.value or b"") async for record in records]

    return asyncio.run(read())


@pytest.fixture
def prefix_with_topics(kafka: Kafka, prefix: str) -> str:
    asyncio.run(create_topics(kafka.connection, prefix=prefix, partitions=4, replication=1))
    return prefix


def test_what_was_taken_is_delivered_before_the_end(
    kafka: Kafka, prefix_with_topics: str, tmp_path: Path
) -> None:
    prefix = prefix_with_topics
    recorder = Recorder()
    with recorder.tracer.start_as_current_span("a", attributes=AGENT):
        pass
    settings = {"GNOMON_BROKERS": kafka.brokers, "GNOMON_TOPIC_PREFIX": prefix}
    with gateway(tmp_path, settings=settings) as serving:
        exporter = OTLPSpanExporter(f"{serving.url}/v1/traces")
        assert exporter.export(recorder.ended()) is SpanExportResult.SUCCESS
        exporter.shutdown()  # type: ignore[no-untyped-call]
        assert serving.post("/v1/events", some_events(5000)) == 202
        assert serving.end() == 0
        (ended,) = serving.said("gateway.ended")
    assert ended["undelivered"] == 0
    found = published(kafka, prefix)
    started = [event["task_id"] for event in found if event["agent_id"] != "router"]
    assert sorted(started) == sorted(f"t{number}" for number in range(5000))
    assert [event["kind"] for event in found if event["agent_id"] == "router"] == [
        "task_started.v1",
        "task_finished.v1",
    ]
    # The client's own identity is on each, once.
    assert sorted(event["seq"] for event in found) == list(range(5002))


def test_without_a_broker_it_takes_what_it_can_and_ends_in_time(tmp_path: Path) -> None:
    settings = {"GNOMON_BROKERS": NOBODY}
    with gateway(tmp_path, "--drain-s", "1", settings=settings) as serving:
        assert serving.post("/v1/events", some_events(10)) == 202
        began_s = time.monotonic()
        assert serving.end() == 1
        took_s = time.monotonic() - began_s
        (ended,) = serving.said("gateway.ended")
    assert ended["undelivered"] == 10
    assert took_s < 6


def test_with_a_public_key_nothing_reaches_the_broker_in_clear(
    kafka: Kafka, prefix_with_topics: str, tmp_path: Path
) -> None:
    key = gnomon("keys", "init-sealing", "--file", str(tmp_path / "sealing.pem")).stdout.strip()
    (event,) = some_events(1).splitlines()
    body = json.dumps({**json.loads(event), "context": {"customer": "MARKER"}}).encode()
    settings = {
        "GNOMON_BROKERS": kafka.brokers,
        "GNOMON_TOPIC_PREFIX": prefix_with_topics,
        "GNOMON_SEAL_TO": key,
    }
    with gateway(tmp_path, settings=settings) as serving:
        assert serving.post("/v1/events", body) == 202
        assert serving.end() == 0
    (found,) = published(kafka, prefix_with_topics)
    assert found["sealed_context"]
    assert "MARKER" not in json.dumps(found)


@pytest.mark.slow
def test_what_no_broker_took_is_in_the_spool_and_sent_by_the_next(
    kafka: Kafka, prefix_with_topics: str, tmp_path: Path
) -> None:
    prefix = prefix_with_topics
    kept = {"GNOMON_TOPIC_PREFIX": prefix, "GNOMON_SPOOL_DIR": str(tmp_path / "spool")}
    with gateway(tmp_path, "--drain-s", "3", settings={**kept, "GNOMON_BROKERS": NOBODY}) as first:
        assert first.post("/v1/events", some_events(10)) == 202
        first.end()
    with gateway(tmp_path, settings={**kept, "GNOMON_BROKERS": kafka.brokers}) as second:
        assert second.post("/v1/events", some_events(1)) == 202
        found = eventually_sync(
            lambda: tasks if len(tasks := _tasks(kafka, prefix)) == 10 else None,
            what="the ten tasks are published",
        )
        assert second.end() == 0
    assert found == {f"t{number}" for number in range(10)}


def _tasks(kafka: Kafka, prefix: str) -> set[str]:
    return {event["task_id"] for event in published(kafka, prefix)}


@pytest.mark.parametrize(
    ("arguments", "settings", "said"),
    [
        (["--brokers", "nonsense"], {}, "nonsense"),
        (["--host", "203.0.113.7"], {}, "203.0.113.7"),
    ],
)
def test_what_can_never_work_is_said_at_once(
    arguments: list[str], settings: dict[str, str], said: str
) -> None:
    done = subprocess.run(  # noqa: S603  our own command
        [*GNOMON, "gateway", "--port", "0", *arguments],
        env=environ(settings),
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert done.returncode == 2
    assert said in done.stderr.splitlines()[-1]
