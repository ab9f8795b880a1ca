"""When a snapshot is written; while a large state is serialised, everything else of the process goes on."""

import asyncio
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.support.kafka.memory_partition import TOPIC, NumberingStage, numbered
from tests.support.kafka.processor_rig import ProcessorRig
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


@pytest.fixture
def rig(tmp_path: Path) -> Callable[..., ProcessorRig]:
    return lambda *values, stage=None: ProcessorRig(tmp_path, *values, stage=stage)


async def test_a_snapshot_has_the_committed_state_and_offsets(
    rig: Callable[..., ProcessorRig],
) -> None:
    here = rig(b"v", b"v")
    await here.process()

    await here.processor.save()
    await here.processor.save()  # nothing has changed

    (snapshot,) = here.store.candidates(0)
    assert (snapshot.offsets, snapshot.data) == ({TOPIC: 2}, b"2")
    assert here.metric("gnomon_snapshot_seconds_count") == 1


async def test_a_stateless_stage_saves_nothing(rig: Callable[..., ProcessorRig]) -> None:
    here = rig(b"v", stage=NumberingStage(stateful=False))
    await here.process()

    await here.processor.save()

    assert list(here.store.candidates(0)) == []


async def test_a_snapshot_that_cannot_be_written_does_not_stop_the_work(
    rig: Callable[..., ProcessorRig], tmp_path: Path
) -> None:
    here = rig(b"v", b"v")
    (tmp_path / "0").write_text("no folder")
    await here.process(0, 1)
    await here.processor.save()
    await here.process(1, recover=False)

    assert here.kafka.written["out"] == numbered(0, 1)
    assert here.metric("gnomon_snapshot_failures_total", stage=here.stage.name) == 1


async def test_a_snapshot_that_could_not_be_written_is_written_next_time_though_nothing_has_changed(
    rig: Callable[..., ProcessorRig], tmp_path: Path
) -> None:
    here = rig(b"v", b"v")
    (tmp_path / "0").write_text("no folder")
    await here.process()
    await here.processor.save()
    (tmp_path / "0").unlink()
    await here.processor.save()

    (snapshot,) = here.store.candidates(0)
    assert snapshot.offsets == {TOPIC: 2}


async def test_a_snapshot_is_due_after_much_work(rig: Callable[..., ProcessorRig]) -> None:
    here = rig(*[b"v"] * 3)

    def work(_: Sequence[object]) -> None:
        here.clock.now_s += 0.3

    here.stage.on_apply = work
    due = []
    for at in range(3):
        await here.process(at, at + 1, recover=at == 0)
        due.append(here.processor.save_due)
    await here.processor.save()

    assert due == [False, True, True]
    assert not here.processor.save_due


async def test_what_a_recovery_has_folded_is_saved_though_no_record_follows(
    rig: Callable[..., ProcessorRig], tmp_path: Path
) -> None:
    here = rig(*[b"v"] * 2)
    await here.process()
    here.processor = here.successor()
    await here.processor.recover()
    await here.processor.save()
    assert [snapshot.offsets for snapshot in here.store.candidates(0)] == [{TOPIC: 2}]

    (snapshot,) = (tmp_path / "0").glob("*.snapshot")
    os.utime(snapshot, (1, 1))
    here.processor = here.successor()
    await here.processor.recover()
    await here.processor.save()
    assert snapshot.stat().st_mtime == 1  # it is what was read: it is not written again


async def test_a_long_recovery_is_saved_so_that_it_is_not_repeated(
    rig: Callable[..., ProcessorRig],
) -> None:
    here = rig(*[b"v"] * 2)
    await here.process()

    def work(_: Sequence[object]) -> None:
        here.clock.now_s += 3.0

    here.stage.on_apply = work
    here.processor = here.successor()
    await here.processor.recover()

    assert here.processor.save_due
    await here.processor.save()
    assert [snapshot.data for snapshot in here.store.candidates(0)] == [b"2"]
