"""``gnomon worker`` in operation: what it tells, and what a killed worker changes."""

import asyncio
import json
import os
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.conftest import Kafka
from tests.support.commands import GNOMON, environ, gnomon, processes_of
from tests.support.pipeline import STAGES, Pipeline
from tests.support.polling import eventually_sync

from gnomon import Client
from gnomon.operations.topics_admin import create_topics

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(120)]


def work(pipeline: Pipeline, *tasks: str) -> None:
    """Let an agent do ``tasks`` and wait for their decisions."""
    with Client(pipeline.brokers, topic_prefix=pipeline.prefix, agent_id="busy") as client:
        for task in tasks:
            with client.task("review", task_id=task):
                pass
        assert client.flush(20.0) == 0
    eventually_sync(
        lambda: set(tasks) <= set(pipeline.decided()), timeout_s=40, what=f"decisions on {tasks}"
    )


@pytest.mark.parametrize("stage", STAGES)
def test_a_worker_says_that_it_lives_and_is_ready(pipeline: Pipeline, stage: str) -> None:
    assert pipeline.get(stage, "/livez").status == 200
    assert pipeline.get(stage, "/readyz").status == 200
    status = pipeline.status(stage)
    assert (status["stage"], status["ready"]) == (stage, True)
    assert set(status["partitions"]) == {"0", "1", "2", "3"}


@pytest.mark.parametrize("stage", STAGES)
def test_metrics_are_what_prometheus_reads(pipeline: Pipeline, stage: str) -> None:
    work(pipeline, f"measured in {stage}")

    answer = pipeline.get(stage, "/metrics")

    assert answer.kind.startswith("text/plain; version=0.0.4")
    families = {family.name: family for family in text_string_to_metric_families(answer.body)}
    batches = {
        sample.labels["stage"]: sample.value
        for sample in families["gnomon_batches"].samples
        if sample.name == "gnomon_batches_total"
    }
    assert set(batches) == {stage}
    assert batches[stage] >= 1
    assert all(family.documentation for family in families.values())


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
@pytest.mark.parametrize("stage", STAGES)
def test_promtool_finds_nothing_to_say(pipeline: Pipeline, stage: str) -> None:
    body = pipeline.get(stage, "/metrics").body

    done = subprocess.run(
        ["promtool", "check", "metrics"],  # noqa: S607  of whoever runs the tests
        input=body,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_status_tells_of_workers_lag_and_the_ledger(pipeline: Pipeline) -> None:
    before = pipeline.ledger()
    work(pipeline, *(f"for the status {number}" for number in range(6)))

    eventually_sync(lambda: pipeline.lag() == 0, timeout_s=40, what="nothing is behind")

    def status_with_metrics() -> Any:
        """Metrics come with the next tick. Control says nothing of the first task of an agent."""
        done = gnomon("status", "--json", **pipeline.settings)
        assert (done.returncode, done.stderr) == (0, "")
        status = json.loads(done.stdout)
        return status if any(each["n"] >= 5 for each in status["figures"]) else None

    status = eventually_sync(status_with_metrics, what="the figures have the tasks")
    assert status is not None
    assert [stage["name"] for stage in status["stages"]] == list(STAGES)
    assert all(stage["workers"] >= 1 for stage in status["stages"])
    assert [stage["lag"] for stage in status["stages"]] == [0, 0, 0, 0]
    assert status["ledger"]["matched"] == before["matched"] + 6
    (control,) = (each for each in status["figures"] if each["model"] == "control")
    assert control["n"] >= 5
    assert status["verdicts"] == []  # no model is live
    ledger = status["ledger"]
    assert ledger["predictions"] == sum(
        ledger[state] for state in ("matched", "pending", "expired", "cancelled")
    )


def test_tail_prints_decoded_records_to_the_end(pipeline: Pipeline) -> None:
    work(pipeline, "for the tail")

    every = ("tail", "task-features", "--no-follow")
    done = gnomon(*every, "--json", "--offsets", **pipeline.settings)

    assert (done.returncode, done.stderr) == (0, "")
    features = [json.loads(line) for line in done.stdout.splitlines()]
    (found,) = [record for record in features if record["task_id"] == "for the tail"]
    assert (found["kind"], found["agent_id"]) == ("task_features.v1", "busy")
    assert "tasks_completed_1h" in found["features"]
    plain = gnomon(*every, **pipeline.settings)
    (line,) = [line for line in plain.stdout.splitlines() if "task_id=for the tail" in line]
    assert line.split()[1] == f"{found['partition']}:{found['offset']}"


def test_what_workers_say_is_one_json_object_a_line(pipeline: Pipeline) -> None:
    marks = ("tasks_completed", "for the log")  # of a payload
    work(pipeline, "for the log")

    lines = pipeline.log.read_text().splitlines()

    said = [json.loads(line) for line in lines]
    assert all({"event", "level"} <= set(record) for record in said)
    batches = [record for record in said if record["event"] == "batch.done"]
    assert {record["child"] for record in batches} == set(STAGES)
    assert all(record["level"] == "debug" and record["records"] >= 1 for record in batches)
    assert not [line for line in lines if any(mark in line for mark in marks)]


def test_there_is_one_line_a_batch(pipeline: Pipeline) -> None:
    work(pipeline, "for the count")
    stage = "vault"

    families = text_string_to_metric_families(pipeline.get(stage, "/metrics").body)
    counted = next(f for f in families if f.name == "gnomon_batches").samples[0].value

    def lines() -> int:
        said = map(json.loads, pipeline.log.read_text().splitlines())
        return sum(r["event"] == "batch.done" and r["child"] == stage for r in said)

    eventually_sync(lambda: lines() >= counted, what="the lines of all batches")
    assert lines() == counted


@pytest.mark.parametrize("stage", ["features", "comparison"])
def test_a_killed_worker_is_started_again_and_nothing_is_lost(
    pipeline: Pipeline, stage: str
) -> None:
    before = pipeline.ledger()
    (killed,) = workers(pipeline, stage)

    with Client(pipeline.brokers, topic_prefix=pipeline.prefix, agent_id="steady") as client:
        tasks = [client.start("review", task_id=f"{stage} {number}") for number in range(30)]
        assert client.flush(20.0) == 0
        os.kill(killed, signal.SIGKILL)
        for task in tasks:
            client.finish(task)
        assert client.flush(20.0) == 0

    wanted = {f"{stage} {number}" for number in range(30)}
    eventually_sync(
        lambda: wanted <= set(pipeline.decided()), timeout_s=60, what="all that was started"
    )
    pipeline.await_ready()
    assert workers(pipeline, stage) not in ([], [killed])
    after = pipeline.ledger()
    added = {name: after[name] - before[name] for name in after if after[name] != before[name]}
    assert added == {"predictions": 30, "matched": 30}


def test_what_a_prediction_waits_for_goes_first(pipeline: Pipeline) -> None:
    nice = {
        stage: os.getpriority(os.PRIO_PROCESS, pid)
        for stage in STAGES
        for pid in workers(pipeline, stage)
    }

    assert nice["features"] == nice["shadow"] < min(nice["comparison"], nice["vault"])


def workers(pipeline: Pipeline, stage: str) -> list[int]:
    """Processes that run ``stage``."""
    return [
        pid
        for pid, command in processes_of(pipeline.folder).items()
        if f"worker {stage}" in command
    ]


@pytest.mark.parametrize(("ends_by", "status"), [(signal.SIGTERM, 0), (signal.SIGKILL, -9)])
def test_workers_end_with_their_supervisor(
    kafka: Kafka, prefix: str, tmp_path: Path, ends_by: signal.Signals, status: int
) -> None:
    asyncio.run(create_topics(kafka.connection, prefix=prefix, partitions=1, replication=1))
    settings = {
        "GNOMON_BROKERS": kafka.brokers,
        "GNOMON_TOPIC_PREFIX": prefix,
        "GNOMON_DATA_DIR": str(tmp_path / "data"),
    }
    log = tmp_path / "log"
    with log.open("wb") as said:
        supervisor = subprocess.Popen(  # noqa: S603  our own command
            [*GNOMON, "worker", "features", "comparison", "--with-parent"],
            env=environ(settings),
            stdout=said,
            stderr=said,
            start_new_session=True,
        )
    try:
        eventually_sync(
            lambda: log.read_text().count("partitions.assigned") == 2, what="two workers at work"
        )
        assert len(processes_of(tmp_path / "data")) == 3

        supervisor.send_signal(ends_by)

        assert supervisor.wait(60) == status
        eventually_sync(lambda: not processes_of(tmp_path / "data"), what="all have ended")
        assert "Traceback" not in log.read_text()
    finally:
        supervisor.kill()
        supervisor.wait()
