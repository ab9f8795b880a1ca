"""``gnomon exporter`` beside real workers shows what ``gnomon status`` says."""

import json
import subprocess
import urllib.request
from collections.abc import Iterator

import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.support.commands import GNOMON, environ, gnomon
from tests.support.pipeline import STAGES, Pipeline
from tests.support.polling import eventually_sync

from gnomon import Client
from gnomon.broker.probe import free_port
from gnomon.topics import TOPICS

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(120)]


@pytest.fixture
def address(pipeline: Pipeline) -> Iterator[str]:
    """Where a running exporter serves."""
    port = free_port()
    process = subprocess.Popen(  # noqa: S603  our own command
        [*GNOMON, "exporter", "--port", str(port), "--every", "1", "--with-parent"],
        env=environ(pipeline.settings),
        stderr=subprocess.DEVNULL,
    )
    try:
        yield f"http://127.0.0.1:{port}"
        process.terminate()
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()


def samples(address: str, name: str, *labels: str) -> dict[tuple[str, ...], float]:
    """The samples of a metric by the values of ``labels``; nothing while nobody answers."""
    try:
        with urllib.request.urlopen(f"{address}/metrics", timeout=10) as response:  # noqa: S310
            text = response.read().decode()
    except OSError:
        return {}
    return {
        tuple(sample.labels[label] for label in labels): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == name
    }


def test_it_shows_what_status_says(pipeline: Pipeline, address: str) -> None:
    with Client(pipeline.brokers, topic_prefix=pipeline.prefix, agent_id="watched") as client:
        for number in range(20):
            with client.task("review", task_id=f"watched {number}"):
                pass
        assert client.flush(20.0) == 0
    wanted = {f"watched {number}" for number in range(20)}
    eventually_sync(lambda: wanted <= set(pipeline.decided()), timeout_s=40, what="decisions")
    eventually_sync(lambda: pipeline.lag() == 0, timeout_s=40, what="nothing is behind")
    status = json.loads(gnomon("status", "--json", **pipeline.settings).stdout)

    eventually_sync(
        lambda: (
            samples(address, "gnomon_client_events", "state").get(("received",), 0)
            >= status["clients_total"]["received"]
        ),
        timeout_s=60,
        what="the clients' events",
    )
    eventually_sync(
        lambda: all(
            samples(address, "gnomon_model_tasks", "model", "version").get(
                (each["model"], each["version"]), 0
            )
            >= each["n"]
            for each in status["figures"]
        ),
        what="the tasks of each model",
    )
    eventually_sync(
        lambda: samples(address, "gnomon_group_workers", "stage") == {(s,): 1.0 for s in STAGES},
        what="a worker a stage",
    )
    eventually_sync(
        lambda: set(samples(address, "gnomon_group_lag_records", "stage").values()) == {0.0},
        what="no lag",
    )
    eventually_sync(
        lambda: samples(address, "gnomon_broker_up") == {(): 1.0}, what="the broker's answer"
    )
    assert samples(address, "gnomon_brokers") == {(): 1.0}
    partitions = samples(address, "gnomon_topic_partitions", "topic")
    assert partitions == {(pipeline.prefix + topic.name,): 4.0 for topic in TOPICS}
    task_events = (f"{pipeline.prefix}task-events",)
    kept = samples(address, "gnomon_topic_kept_records", "topic")[task_events]
    assert kept >= len(pipeline.read("task-events"))
    leaderless = samples(address, "gnomon_topic_leaderless_partitions", "topic")
    assert set(leaderless.values()) == {0.0}
