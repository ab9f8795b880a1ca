"""Whatever compression a producer chooses, its events are read."""

import json
import time
from itertools import zip_longest

import pytest
from tests.support.pipeline import Pipeline
from tests.support.polling import eventually_sync

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(120)]

CODECS = (None, "gzip", "snappy", "lz4", "zstd")
TASKS = 25


def events(codec: str | None, *, now_ms: int) -> list[tuple[bytes, bytes]]:
    """Starts and ends of one agent's tasks; all codecs share the agent, and so the partition."""
    made = []
    for number in range(TASKS):
        task = {
            "agent_id": "compressing",
            "task_id": f"{codec}-{number}",
            "task_type": "review",
            "started_at_ms": now_ms - 60_000 + number,
        }
        end = {"finished_at_ms": now_ms - 30_000, "duration_s": 30.0, "succeeded": True}
        made.append({"kind": "task_started.v1", **task})
        made.append({"kind": "task_finished.v1", **task, **end})
    return [(b"compressing", json.dumps(event).encode()) for event in made]


def test_batches_of_every_codec_in_one_partition_are_read(pipeline: Pipeline) -> None:
    now_ms = time.time_ns() // 1_000_000
    chunks = [
        [(codec, half) for half in (made[:TASKS], made[TASKS:])]
        for codec in CODECS
        for made in [events(codec, now_ms=now_ms)]
    ]
    # One half of each codec after the other, so that batches of all of them alternate.
    for codec, half in [chunk for pair in zip_longest(*chunks) for chunk in pair]:
        pipeline.publish(half, compression=codec)

    expected = {f"{codec}-{number}" for codec in CODECS for number in range(TASKS)}
    eventually_sync(
        lambda: expected <= set(pipeline.decided()), timeout_s=60, what="a decision for every task"
    )
    decided = pipeline.decided()
    assert {decided[task] for task in expected} == {"matched"}
