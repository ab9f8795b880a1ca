"""Versions are promoted, rolled back and deleted while workers are killed: all that is recorded is exact."""

import contextlib
import json
import os
import secrets
import signal
import time
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from mlflow.tracking import MlflowClient
from tests.conftest import Kafka
from tests.faults.verifying.live_verdict import switch_differences
from tests.support.commands import processes_of
from tests.support.pipeline import Pipeline
from tests.support.polling import eventually_sync
from tests.unit.models.runs import runs
from tests.unit.verdict.evidence.test_live import offline_of

from gnomon import codec
from gnomon.cli import main
from gnomon.events import TaskEvent, TaskFinished, TaskStarted
from gnomon.models.learners.catalog import LEARNERS
from gnomon.models.registry import Registry
from gnomon.models.train import train
from gnomon.verdict import LIVE_SETTINGS, Evidence, judge, merge_evidence

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(400)]
RULES = {"mature_after_s": 300.0, "clip_s": dict(LIVE_SETTINGS.clip_s), "min_active_hours": 3}
LIVE_BEFORE_STEP = {1: "1", 5: "3"}
"""Versions that must be loaded before the tasks of a step, because they are live for a few steps only."""
TASKS_A_STEP = 40
AGENTS = 7
STEPS = (
    "promote 1", "promote 2 --alias challenger", "kill shadow", "promote 2",
    "promote 3 --alias challenger-b", "kill comparison", "rollback", "delete 3",
    "kill shadow comparison", "promote 2",
)  # fmt: skip


@pytest.fixture
def pipeline(kafka: Kafka, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pipeline]:
    """Four workers with three registered versions, none of them live."""
    made = Pipeline(kafka=kafka.connection, prefix=f"s{secrets.token_hex(4)}-", folder=tmp_path)
    rules = tmp_path / "rules.json"
    rules.write_text(json.dumps(RULES))
    made.settings["GNOMON_VERDICT_SETTINGS"] = str(rules)
    registry = Registry(uri=f"sqlite:///{tmp_path / 'mlflow.db'}", model_name="gnomon")
    for count in (60, 90, 120):
        registry.register(train(runs(count), learner=LEARNERS["pool"]()), alias=None, author="test")
    for name, value in made.settings.items():
        monkeypatch.setenv(name, value)
    with made:
        yield made


def events(step: int, begin_ms: int) -> list[tuple[bytes, bytes]]:
    """Tasks of some agents, one a minute of event time; each ends before the next one of its agent."""
    found: list[tuple[int, str, TaskEvent]] = []
    for number in range(step * TASKS_A_STEP, (step + 1) * TASKS_A_STEP):
        at_ms, agent = begin_ms + number * 60_000, f"agent-{number % AGENTS}"
        task: dict[str, Any] = {"agent_id": agent, "task_id": f"t{number}", "task_type": "review"}
        duration_s = 20.0 + number * 37 % 101
        end_ms = at_ms + round(duration_s * 1000)
        found.append((at_ms, agent, TaskStarted(**task, started_at_ms=at_ms)))
        ended = TaskFinished(
            **task, started_at_ms=at_ms, finished_at_ms=end_ms, duration_s=duration_s,
            succeeded=number % 3 > 0,
        )  # fmt: skip
        found.append((end_ms, agent, ended))
    found.sort(key=lambda each: each[0])
    return [(agent.encode(), codec.encode(event)) for _, agent, event in found]


def kill(pipeline: Pipeline, stage: str) -> None:
    """SIGKILL the worker of a stage; its supervisor starts another."""
    pids = [
        pid
        for pid, command in processes_of(pipeline.folder).items()
        if f"worker {stage}" in command
    ]
    assert len(pids) == 1
    os.kill(pids[0], signal.SIGKILL)


def act(pipeline: Pipeline, step: str) -> None:
    verb, *rest = step.split()
    if verb == "kill":
        for stage in rest:
            kill(pipeline, stage)
    elif verb == "delete":
        uri = f"sqlite:///{pipeline.folder / 'mlflow.db'}"
        MlflowClient(uri, uri).delete_model_version("gnomon", rest[0])
    else:
        assert main(["models", verb, *rest]) == 0


def is_live(pipeline: Pipeline, version: str) -> bool:
    models = pipeline.status("shadow").get("models", ())
    return version in {model["version"] for model in models}


def drained(pipeline: Pipeline) -> bool:
    # In this order: what is read after the status may still be to be written.
    return pipeline.lag() == 0 and pipeline.status("comparison").get("unwritten") == 0


def predicting(pipeline: Pipeline) -> set[str]:
    """The versions that have predicted a task by now."""
    switches = [json.loads(r.value or b"null") for r in pipeline.read("model-switches")]
    return {model["version"] for switch in switches for model in switch["models"]}


def test_switches_ledger_and_verdict_are_exact(pipeline: Pipeline, tmp_path: Path) -> None:
    begin_ms = time.time_ns() // 1_000_000 - 12 * 3_600_000
    for number, step in enumerate(STEPS):
        if version := LIVE_BEFORE_STEP.get(number):
            eventually_sync(partial(is_live, pipeline, version), what=f"version {version} live")
        pipeline.publish(events(number, begin_ms))
        act(pipeline, step)
        # Half of the steps meet workers that are busy, the others such that have followed.
        if number % 2:
            eventually_sync(lambda: pipeline.lag() == 0, timeout_s=60, what=f"{step} is followed")
    pipeline.publish(events(len(STEPS), begin_ms))
    eventually_sync(lambda: drained(pipeline), timeout_s=90, what="everything is written")
    tasks = TASKS_A_STEP * (len(STEPS) + 1)

    dump = tmp_path / "dump"
    dump.mkdir()
    topics = ("task-features", "shadow-predictions", "model-switches", "comparisons")
    records = {topic: pipeline.read(topic) for topic in topics}
    for topic, of in records.items():
        lines = (
            {"partition": r.partition, "offset": r.offset, "value": json.loads(r.value or b"null")}
            for r in of
        )
        (dump / f"{topic}.jsonl").write_text("".join(json.dumps(each) + "\n" for each in lines))
    assert switch_differences(dump) == []
    versions = {m["version"] for s in values(dump, "model-switches") for m in s["models"]}
    assert versions == {"1", "2", "3"}
    assert sorted(pipeline.decided().values()) == ["matched"] * tasks
    ledger = pipeline.ledger()
    assert (ledger["predictions"], ledger["matched"], ledger["incomplete"]) == (tasks, tasks, 0)

    comparisons = [codec.decode_comparison(r.value or b"") for r in records["comparisons"]]
    offline = offline_of(comparisons, tmp_path / "c.jsonl", evidence_of(pipeline).settings)
    expected = judge(offline)
    # The transaction of the last tick may still be under way.
    with contextlib.suppress(AssertionError):
        eventually_sync(
            lambda: judge(evidence_of(pipeline)) == expected, timeout_s=10, what="the verdict"
        )
    assert judge(evidence_of(pipeline)) == expected
    assert {model.version for model in expected} == {"1", "2", "3"}
    assert all(model.decisions > 0 for model in expected)


def evidence_of(pipeline: Pipeline) -> Evidence:
    """Merge the latest records of verdict-evidence."""
    latest = {r.key: r.value for r in pipeline.read("verdict-evidence")}
    told = [codec.decode_evidence(value) for value in latest.values() if value is not None]
    (evidence,) = merge_evidence(told)
    return evidence


def values(dump: Path, topic: str) -> Iterator[Mapping[str, list[dict[str, str]]]]:
    for line in (dump / f"{topic}.jsonl").read_text().splitlines():
        yield json.loads(line)["value"]
