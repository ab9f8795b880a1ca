"""Agents that were silent before a worker started are as silent as if it had run all the time."""

import json

from tests.support.kafka.topic_in_memory import Record

from gnomon.runtime.metrics import Metrics
from gnomon.settings import Settings
from gnomon.stages.features import FeaturesStage
from gnomon.topics import AGENT_FEATURES

NOW_MS = 1_764_400_000_000
MINUTE_MS = 60_000


def event(kind: str, at_ms: int, **more: object) -> Record:
    value = {"kind": kind, "agent_id": "a", "task_id": "t", "started_at_ms": NOW_MS, **more}
    return Record(
        topic="task-events",
        partition=0,
        offset=0,
        timestamp=at_ms,
        key=b"a",
        value=json.dumps(value).encode(),
    )


def stage_at(now_ms: int) -> FeaturesStage:
    return FeaturesStage(Settings(), metrics=Metrics(), now_ms=lambda: now_ms)


async def snapshot_after_a_finished_task() -> bytes:
    stage = stage_at(NOW_MS)
    state = stage.new_state(0)
    finished_ms = NOW_MS + 1000
    records = [
        event("task_started.v1", NOW_MS, task_type="x"),
        event(
            "task_finished.v1", finished_ms, task_type="x", finished_at_ms=finished_ms,
            duration_s=1.0, succeeded=True,
        ),
    ]  # fmt: skip
    outputs = await stage.apply(state, records)
    assert not outputs.dead
    return stage.snapshot(state)


async def test_the_silence_before_the_start_of_the_worker_counts() -> None:
    data = await snapshot_after_a_finished_task()
    stage = stage_at(NOW_MS + 90 * MINUTE_MS)

    outputs = stage.tick(stage.restore(0, data), 1000)

    ((_, value),) = outputs.by_topic[AGENT_FEATURES.name]
    assert json.loads(value or b"")["tasks_completed_1h"] == 0


async def test_within_the_hour_nothing_decays() -> None:
    data = await snapshot_after_a_finished_task()
    stage = stage_at(NOW_MS + 30 * MINUTE_MS)

    assert AGENT_FEATURES.name not in stage.tick(stage.restore(0, data), 1000).by_topic


async def test_while_a_backlog_is_read_its_age_is_no_silence() -> None:
    """The newest record read is 90 minutes old, and others wait behind it."""
    data = await snapshot_after_a_finished_task()
    stage = stage_at(NOW_MS + 90 * MINUTE_MS)

    for idle_ms in (0, 20):
        assert AGENT_FEATURES.name not in stage.tick(stage.restore(0, data), idle_ms).by_topic


async def test_a_clock_that_is_behind_takes_no_time_away() -> None:
    """Then the time since the start is all that is known."""
    data = await snapshot_after_a_finished_task()
    stage = stage_at(NOW_MS - 90 * MINUTE_MS)

    outputs = stage.tick(stage.restore(0, data), 90 * MINUTE_MS)

    assert AGENT_FEATURES.name in outputs.by_topic
