"""Agents under OpenTelemetry's own instrumentation become tasks, with and without a line of code."""

import asyncio
import os
import subprocess
import sys
import tomllib
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import Kafka
from tests.integration.integrations.event_sequence import ends, event_sequence, finish
from tests.support.commands import environ
from tests.support.frameworks import ROOT, driven, python_with, run_in

from gnomon.codec import decode_task_event
from gnomon.events import TaskEvent, TaskFinished, TaskStarted
from gnomon.runtime.kafka.reading import read_topic

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

APPLICATION = "tests.integration.integrations.app_openai_agents"


@pytest.fixture(scope="module")
def cases() -> dict[str, Any]:
    return driven("opentelemetry")


def test_a_workflow_its_agent_and_the_agents_tool_are_tasks(cases: dict[str, Any]) -> None:
    assert event_sequence(cases["agent"]) == [
        ("task_started.v1", "Agent workflow", "invoke_workflow"),
        ("task_started.v1", "calculator", "invoke_agent"),
        ("task_started.v1", "desk", "tool:add"),
        ("task_finished.v1", "desk", "tool:add"),
        ("task_finished.v1", "calculator", "invoke_agent"),
        ("task_finished.v1", "Agent workflow", "invoke_workflow"),
    ]
    agent = finish(cases["agent"], "invoke_agent")
    workflow = finish(cases["agent"], "invoke_workflow")
    trace_id, _, span_id = workflow["task_id"].partition("-")
    assert agent["traceparent"] == f"00-{trace_id}-{span_id}-01"


@pytest.mark.parametrize("case", ["model error", "too many turns"])
def test_an_agent_that_fails_is_told_by_the_instrumentation(
    cases: dict[str, Any], case: str
) -> None:
    """Of this instrumentation every error has the one type that OpenTelemetry keeps for others."""
    assert ends(cases[case])["invoke_agent"] == (False, "_OTHER")


def test_an_error_of_ours_does_not_reach_the_agent(cases: dict[str, Any]) -> None:
    assert cases["answer"] is True


def as_installed(folder: Path) -> Path:
    """A folder that tells of gnomon's entry points, as an installation of it would."""
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]
    about = folder / "gnomon-0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: gnomon\nVersion: 0\n")
    lines = [
        line
        for group, points in groups.items()
        for line in (f"[{group}]", *(f"{name} = {place}" for name, place in points.items()))
    ]
    (about / "entry_points.txt").write_text("\n".join(lines))
    return folder


async def published(kafka: Kafka, prefix: str) -> list[TaskEvent]:
    topic = f"{prefix}task-events"
    records = read_topic(kafka=kafka.connection, topic=topic, follow=False)
    return [decode_task_event(record.value or b"") async for record in records]


@pytest.mark.kafka
async def test_an_unchanged_application_reaches_the_topic(
    kafka: Kafka, topics: str, tmp_path: Path
) -> None:
    """``OTEL_TRACES_EXPORTER=gnomon opentelemetry-instrument python -m app``."""
    python = python_with("opentelemetry")
    path = os.pathsep.join(map(str, (as_installed(tmp_path), ROOT / "workers", ROOT)))
    done = run_in(
        "opentelemetry",
        str(python.with_name("opentelemetry-instrument")),
        str(python),
        "-m",
        APPLICATION,
        environ={
            "HOME": str(tmp_path),
            "PYTHONPATH": path,
            "OTEL_TRACES_EXPORTER": "gnomon",
            "OTEL_METRICS_EXPORTER": "none",
            "OTEL_LOGS_EXPORTER": "none",
            "OTEL_SERVICE_NAME": "desk",
            "GNOMON_BROKERS": kafka.brokers,
            "GNOMON_TOPIC_PREFIX": topics,
        },
    )
    assert done.returncode == 0, done.stderr[-4000:]
    events = await published(kafka, topics)
    seen = Counter(
        (type(event).__name__, event.agent_id, event.task_type)
        for event in events
        if isinstance(event, TaskStarted | TaskFinished)
    )
    tasks = [("desk", "tool:add"), ("calculator", "invoke_agent")]
    tasks.append(("Agent workflow", "invoke_workflow"))
    assert seen == Counter(
        (kind, *task) for kind in ("TaskStarted", "TaskFinished") for task in tasks
    )
    assert all(event.succeeded for event in events if isinstance(event, TaskFinished))


LATE = """
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from gnomon.integrations.opentelemetry import GnomonSpanExporter

trace.set_tracer_provider(TracerProvider())
provider = trace.get_tracer_provider()
provider.add_span_processor(BatchSpanProcessor(GnomonSpanExporter()))
task = {"gen_ai.operation.name": "invoke_agent"}
trace.get_tracer("x").start_span("first", attributes=task).end()
provider.force_flush()
trace.get_tracer("x").start_span("last", attributes=task).end()
"""


@pytest.mark.kafka
async def test_what_ends_just_before_the_process_does_is_not_lost(
    kafka: Kafka, topics: str
) -> None:
    settings = {"GNOMON_BROKERS": kafka.brokers, "GNOMON_TOPIC_PREFIX": topics}
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", LATE],
        env=environ(settings),
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert len(await published(kafka, topics)) == 4
