"""An application that knows nothing of gnomon is seen by the workers all the same."""

import re
from pathlib import Path

import pytest
from tests.conftest import Kafka
from tests.support.frameworks import FOLDER, run_in

from gnomon.codec import decode_task_event
from gnomon.events import TaskFinished
from gnomon.runtime.kafka.reading import read_topic

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

APPLICATIONS = {
    "langchain": "tests.integration.integrations.app_langchain",
    "openai-agents": "tests.integration.integrations.app_openai_agents",
    "crewai": "tests.integration.integrations.app_crewai",
}
QUIET = {
    "CREWAI_DISABLE_TELEMETRY": "true",
    "CREWAI_TRACING_ENABLED": "false",
    "OTEL_SDK_DISABLED": "true",
}


@pytest.mark.parametrize("framework", APPLICATIONS)
def test_the_applications_do_not_know_gnomon(framework: str) -> None:
    source = (FOLDER / f"{APPLICATIONS[framework].rpartition('.')[2]}.py").read_text()
    assert not re.search(r"^\s*(import|from) +gnomon", source, re.MULTILINE)


@pytest.mark.kafka
@pytest.mark.parametrize("framework", APPLICATIONS)
async def test_an_unchanged_application_reaches_the_topic(
    framework: str, kafka: Kafka, topics: str, tmp_path: Path
) -> None:
    environ = {
        **QUIET,
        "HOME": str(tmp_path),
        "CREWAI_STORAGE_DIR": str(tmp_path),
        "GNOMON_TRACE": "1",
        "GNOMON_BROKERS": kafka.brokers,
        "GNOMON_TOPIC_PREFIX": topics,
    }
    done = run_in(
        framework, "-m", "gnomon.integrations", "-m", APPLICATIONS[framework], environ=environ
    )
    assert done.returncode == 0, done.stderr[-4000:]
    events = [
        decode_task_event(record.value)
        async for record in read_topic(
            kafka=kafka.connection, topic=f"{topics}task-events", follow=False
        )
        if record.value is not None
    ]
    ended = {event.task_type: event for event in events if isinstance(event, TaskFinished)}
    [agent] = [event for kind, event in ended.items() if kind != "tool:add"]
    assert (len(events), len(ended)) == (4, 2)
    assert agent.agent_id == "calculator"
    assert agent.outcome["llm_calls"] == 2


@pytest.mark.parametrize("environ", [{}, {"GNOMON_TRACE": "1", "GNOMON_BROKERS": "127.0.0.1:9"}])
def test_without_the_variable_or_a_broker_an_application_just_runs(environ: dict[str, str]) -> None:
    module = APPLICATIONS["langchain"]
    done = run_in("langchain", "-m", "gnomon.integrations", "-m", module, environ=environ)
    assert done.returncode == 0, done.stderr[-4000:]
