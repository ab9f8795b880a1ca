"""While a large state is serialised, everything else of the process goes on."""

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest
from tests.unit.comparison import build
from tests.unit.features import support

from gnomon.comparison import fold as compare
from gnomon.features import FeaturesConfig
from gnomon.features import fold as fold_features
from gnomon.runtime.metrics import Metrics
from gnomon.runtime.partition.progress import Progress
from gnomon.runtime.partition.snapshots import SnapshotStore
from gnomon.runtime.partition.snapshotting import Snapshotter
from gnomon.settings import Settings
from gnomon.stages.comparison import ComparisonStage
from gnomon.stages.features import FeaturesStage


def many_agents(agents: int) -> tuple[Any, Any]:
    stage = FeaturesStage(Settings(), metrics=Metrics(), now_ms=lambda: 0)
    state = stage.new_state(0)
    finishes = [
        support.finished(f"t{n}", support.T0 + minute, agent=f"a{n}")
        for n in range(agents)
        for minute in range(5)
    ]
    fold_features(state, support.records(finishes), config=FeaturesConfig())
    return stage, state


def many_open_tasks(tasks: int) -> tuple[Any, Any]:
    stage = ComparisonStage(Settings(), metrics=Metrics())
    state = stage.new_state(0)
    for n in range(tasks):
        task = f"t{n}"
        records = [build.started(task), build.features(task), build.predicted(task)]
        compare(state.state, records, config=build.config())
    return stage, state


async def longest_turn_s(work: "asyncio.Task[None]") -> float:
    """Processor time of this thread between two turns of another task while ``work`` runs.

    Processor time, because on a busy machine any moment can be long.
    """
    longest_s = 0.0
    while not work.done():
        began_s = time.thread_time()
        await asyncio.sleep(0)
        longest_s = max(longest_s, time.thread_time() - began_s)
    return longest_s


@pytest.mark.parametrize("large", [lambda: many_agents(40_000), lambda: many_open_tasks(30_000)])
async def test_the_loop_serves_others_while_a_large_state_is_serialised(
    tmp_path: Path, large: Any
) -> None:
    stage, state = large()
    began_s = time.thread_time()
    at_once = stage.snapshot(state)
    whole_s = time.thread_time() - began_s
    store = SnapshotStore(tmp_path)
    snapshotter = Snapshotter(
        stage,
        0,
        store=store,
        metrics=Metrics(),
        progress=Progress(time.monotonic),
        clock_s=time.monotonic,
    )
    snapshotter.committed()

    saving = asyncio.create_task(snapshotter.save(state, {"t": 1}, {}))
    longest_s = await longest_turn_s(saving)

    assert longest_s < whole_s / 3, f"{longest_s * 1000:.0f} of {whole_s * 1000:.0f} ms"
    (saved,) = store.candidates(0)
    assert saved.data == at_once
