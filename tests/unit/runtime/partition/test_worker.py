"""The worker of a partition: exactly once whatever fails, hand-over, fencing, and back-pressure."""

import asyncio
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path

import pytest
from tests.support.memory_partition import (
    TOPIC,
    CrashError,
    MemoryPartition,
    NumberingStage,
    batch,
    numbered,
    records,
)
from tests.support.polling import eventually

from gnomon.errors import FencedError, LostRecordsError
from gnomon.records import Outputs
from gnomon.runtime.metrics import Metrics
from gnomon.runtime.partition import worker as module
from gnomon.runtime.partition.ports import PartitionRef
from gnomon.runtime.partition.snapshots import Snapshot, SnapshotStore
from gnomon.runtime.partition.worker import PartitionWorker

REF = PartitionRef(brokers="none:1", group="g", prefix="p.", partition=0)
BATCH = 2


class Clock:
    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


class CrashingStore(SnapshotStore):
    """A crash may come before a snapshot is written or after it."""

    def __init__(self, folder: Path, kafka: MemoryPartition) -> None:
        super().__init__(folder)
        self._kafka = kafka

    def save(self, partition: int, snapshot: Snapshot) -> Path:
        self._kafka.call("save")
        path = super().save(partition, snapshot)
        self._kafka.call("saved")
        return path


class Rig:
    """Workers of one partition in memory, one after another or at once."""

    def __init__(self, folder: Path, *values: bytes, stage: NumberingStage | None = None) -> None:
        self.log = records(*values)
        self.kafka = MemoryPartition({TOPIC: self.log})
        self.stage = stage or NumberingStage()
        self.store = CrashingStore(folder, self.kafka)
        self.clock = Clock()
        self.failures: list[Exception] = []
        self.pauses: list[bool] = []
        self.workers: list[PartitionWorker[list[int]]] = []

    def start(self) -> PartitionWorker[list[int]]:
        worker = PartitionWorker(
            self.stage,
            REF,
            log=self.kafka,
            open_writer=self.kafka.open_writer,
            snapshots=self.store,
            snapshot_every_s=60.0,
            metrics=Metrics(),
            clock_s=self.clock,
            set_paused=self.pauses.append,
            on_failure=lambda _, error: self.failures.append(error),
        )
        self.workers.append(worker)
        worker.start()
        return worker

    async def feed(self, worker: PartitionWorker[list[int]], start: int, end: int) -> None:
        """Batches of the log, as a consumer that begins at ``start`` fetches them."""
        for at in range(start, end, BATCH):
            await worker.put(batch(self.log[at : min(end, at + BATCH)], start=at))

    async def committed(self, offset: int) -> None:
        await eventually(
            lambda: self.kafka.committed.get(TOPIC, 0) >= offset, what=f"committed {offset}"
        )

    def settled(self, offset: int, failures: int) -> bool:
        """Whether ``offset`` is committed, or there are more failures than there were."""
        return self.kafka.committed.get(TOPIC) == offset or len(self.failures) > failures

    async def failed(self) -> Exception:
        await eventually(lambda: self.failures, what="a failure")
        return self.failures[-1]


@pytest.fixture(autouse=True)
def _poll_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.support.polling._EVERY_S", 0.002)


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Callable[..., Rig]]:
    made: list[Rig] = []

    def make(*values: bytes, stage: NumberingStage | None = None) -> Rig:
        made.append(Rig(tmp_path / str(len(made)), *values, stage=stage))
        return made[-1]

    yield make
    for each in made:
        for worker in each.workers:
            await worker.stop(within_s=5.0)


async def test_batches_are_processed_in_order_and_once(rig: Callable[..., Rig]) -> None:
    here = rig(*[b"v"] * 7)
    worker = here.start()

    await here.feed(worker, 0, 7)
    await here.committed(7)

    assert here.kafka.written["out"] == numbered(*range(7))
    assert here.failures == []


async def test_the_last_worker_is_fenced_before_its_offsets_are_read(
    rig: Callable[..., Rig],
) -> None:
    here = rig(b"v")
    worker = here.start()
    assert not worker.ready
    await eventually(lambda: worker.ready, what="it is ready")

    assert here.kafka.calls == ["open_writer", "resume_offsets", "read"]


async def run_to_the_end(here: Rig) -> None:
    """Start workers until one has processed the whole log and was stopped, as a supervisor does."""
    end = len(here.log)
    for _ in range(4):
        failures, worker = len(here.failures), here.start()
        at = here.kafka.committed.get(TOPIC, 0)
        while at < end and len(here.failures) == failures:
            await here.feed(worker, at, min(at + BATCH, end))
            at = min(at + BATCH, end)
            await eventually(
                partial(here.settled, at, failures), what=f"a commit of {at}, or a failure"
            )
        await worker.stop(within_s=5.0)
        if here.kafka.committed.get(TOPIC) == end:
            return


def apply_called(here: Rig, _: object) -> None:
    here.kafka.call("apply")


async def test_a_crash_between_any_two_steps_loses_and_repeats_nothing(
    rig: Callable[..., Rig], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With poison in the log; the answer to a commit may be lost; snapshots stay."""
    monkeypatch.setattr("gnomon.runtime.partition.processor.RETRIES_S", (0.0,))
    monkeypatch.setattr("gnomon.runtime.partition.processor.FIRST_BACKOFF_S", 0.0)
    values = [b"v", b"v", b"x", b"!", b"v", b"v", b"v"]
    whole = rig(*values)
    whole.stage.on_apply = partial(apply_called, whole)
    await run_to_the_end(whole)
    expected = numbered(0, 1, 4, 5, 6)
    assert whole.kafka.written["out"] == expected
    assert whole.failures == []
    assert {"open_writer", "read_chunk", "apply", "write", "written", "saved"} <= set(
        whole.kafka.calls
    )

    for crash_at, name in enumerate(whole.kafka.calls):
        here = rig(*values)
        here.kafka.crash_at = crash_at
        here.stage.on_apply = partial(apply_called, here)
        await run_to_the_end(here)

        dead = [(letter.record.offset, letter.reason) for letter in here.kafka.dead]
        assert here.kafka.written["out"] == expected, (crash_at, name)
        assert dead == [(2, "refused"), (3, "stage_error")], (crash_at, name)
        assert here.kafka.committed == {TOPIC: 7}


async def test_a_failure_ends_the_worker_and_is_reported_once(rig: Callable[..., Rig]) -> None:
    here = rig(b"v")
    here.kafka.crash_at = 3  # the first write
    worker = here.start()
    await here.feed(worker, 0, 1)

    assert isinstance(await here.failed(), CrashError)

    assert (worker.ended, worker.ready, worker.progress.step) == (True, False, "failed")
    await worker.put(batch(here.log))  # dropped, and not waited for
    await worker.drain()
    await worker.stop(within_s=1.0)
    assert len(here.failures) == 1


async def test_a_fenced_worker_aborts(rig: Callable[..., Rig]) -> None:
    here = rig(*[b"v"] * 6)
    zombie = here.start()
    await here.feed(zombie, 0, 2)
    await here.committed(2)

    successor = here.start()
    await eventually(lambda: successor.ready, what="the successor is ready")
    await here.feed(zombie, 2, 6)
    assert isinstance(await here.failed(), FencedError)
    assert here.kafka.written["out"] == numbered(0, 1)
    await here.feed(successor, 2, 6)
    await here.committed(6)

    assert here.kafka.written["out"] == numbered(*range(6))
    assert (zombie.ended, zombie.progress.step) == (True, "fenced")
    assert not successor.ended


async def test_a_stopped_worker_finishes_its_batch_and_hands_its_state_over(
    rig: Callable[..., Rig],
) -> None:
    here = rig(*[b"v"] * 6)
    gate = asyncio.Event()
    here.kafka.gate = gate.wait
    first = here.start()
    await here.feed(first, 0, 2)
    await eventually(lambda: "write" in here.kafka.calls, what="it writes")
    await here.feed(first, 2, 4)

    stopping = asyncio.create_task(first.stop(within_s=20.0))
    gate.set()
    await stopping
    assert here.kafka.written["out"] == numbered(
        0, 1
    )  # the queued batches are left to the next worker
    del here.kafka.calls[:]
    second = here.start()
    await here.feed(second, 2, 6)
    await here.committed(6)

    assert here.kafka.written["out"] == numbered(*range(6))
    assert here.stage.restored == [b"2"]
    assert "read_chunk" not in here.kafka.calls
    assert here.failures == []


async def test_a_worker_that_hangs_is_cancelled(rig: Callable[..., Rig]) -> None:
    here = rig(b"v")
    gate = asyncio.Event()
    here.kafka.gate = gate.wait
    worker = here.start()
    await here.feed(worker, 0, 1)
    await eventually(lambda: "write" in here.kafka.calls, what="it writes")

    async with asyncio.timeout(5):
        await worker.stop(within_s=0.05)
    gate.set()
    for _ in range(20):
        await asyncio.sleep(0)

    assert here.kafka.written["out"] == []
    assert here.failures == []


async def test_drain_waits_for_the_current_batch_only(rig: Callable[..., Rig]) -> None:
    here = rig(*[b"v"] * 4)
    worker = here.start()
    await worker.drain()
    gate = asyncio.Event()
    here.kafka.gate = gate.wait
    await here.feed(worker, 0, 2)
    await eventually(lambda: "write" in here.kafka.calls, what="it writes")
    draining = asyncio.create_task(worker.drain())
    for _ in range(20):
        await asyncio.sleep(0)
    assert not draining.done()

    worker.clear_queue()
    gate.set()
    async with asyncio.timeout(5):
        await draining

    assert here.kafka.committed == {TOPIC: 2}


async def test_batches_that_a_rebalance_dropped_are_processed_when_they_come_again(
    rig: Callable[..., Rig],
) -> None:
    here = rig(*[b"v"] * 6)
    gate = asyncio.Event()
    here.kafka.gate = gate.wait
    worker = here.start()
    await here.feed(worker, 0, 2)
    await eventually(lambda: "write" in here.kafka.calls, what="it writes")
    await here.feed(worker, 2, 4)
    worker.clear_queue()
    gate.set()

    await here.feed(worker, 0, 6)  # the consumer starts at the group's committed offset
    await here.committed(6)

    assert here.kafka.written["out"] == numbered(*range(6))


async def test_a_gap_in_what_is_fetched_ends_the_worker(rig: Callable[..., Rig]) -> None:
    here = rig(*[b"v"] * 6)
    worker = here.start()
    await here.feed(worker, 0, 2)
    await here.committed(2)

    await here.feed(worker, 4, 6)

    assert isinstance(await here.failed(), LostRecordsError)
    assert here.kafka.written["out"] == numbered(0, 1)


async def test_a_full_queue_blocks_the_consumer_and_then_pauses_the_partition(
    rig: Callable[..., Rig], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_QUEUED", 4)
    monkeypatch.setattr("gnomon.runtime.partition.queue.PAUSE_AFTER_S", 0.05)
    here = rig(*[b"v"] * 12)
    gate = asyncio.Event()
    here.kafka.gate = gate.wait
    worker = here.start()
    await here.feed(worker, 0, 2)
    await eventually(lambda: "write" in here.kafka.calls, what="it writes")
    await here.feed(worker, 2, 6)
    assert here.pauses == []

    await here.feed(worker, 6, 8)

    assert here.pauses == [True]
    assert worker.status()["queued"] == 6
    gate.set()
    await here.committed(8)
    assert here.pauses == [True, False]
    await here.feed(worker, 8, 12)
    await here.committed(12)
    assert here.kafka.written["out"] == numbered(*range(12))


async def test_what_is_fetched_before_recovery_is_done_waits_for_it(
    rig: Callable[..., Rig],
) -> None:
    here = rig(*[b"v"] * 4)
    here.kafka.committed = {TOPIC: 2}
    worker = here.start()

    await here.feed(worker, 2, 4)
    await here.committed(4)

    assert here.kafka.written["out"] == numbered(*range(4))[2:]


async def test_a_tick_receives_the_time_since_the_last_record(
    rig: Callable[..., Rig], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TICK_EVERY_S", 0.02)
    here = rig(*[b"v"] * 3, stage=NumberingStage(on_tick=Outputs({"out": [(None, b"tick")]})))
    worker = here.start()
    await here.feed(worker, 0, 1)
    await here.committed(1)
    assert here.stage.idle_ms == []  # on the worker's clock no time has passed

    here.clock.now_s += 7.0

    await eventually(lambda: here.kafka.written["out"][1:], what="a tick")
    assert here.kafka.written["out"] == [*numbered(0), b"tick"]
    assert here.kafka.committed == {TOPIC: 1}
    for at in (1, 2):  # on the worker's clock, the next tick is not due
        await here.feed(worker, at, at + 1)
        await here.committed(at + 1)
    assert here.stage.idle_ms == [7000]

    here.clock.now_s += 8.0
    await eventually(lambda: here.stage.idle_ms[1:], what="another tick")
    assert here.stage.idle_ms == [7000, 8000]


async def test_a_snapshot_is_written_when_it_is_due(
    rig: Callable[..., Rig], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TICK_EVERY_S", 0.02)
    here = rig(*[b"v"] * 3)
    worker = here.start()
    await here.feed(worker, 0, 3)
    await here.committed(3)
    assert list(here.store.candidates(0)) == []

    here.clock.now_s += 61.0

    await eventually(lambda: list(here.store.candidates(0)), what="a snapshot")
    (snapshot,) = here.store.candidates(0)
    assert (snapshot.offsets, snapshot.data) == ({TOPIC: 3}, b"3")


async def test_the_status_has_step_lag_and_offsets(rig: Callable[..., Rig]) -> None:
    here = rig(*[b"v"] * 3)
    worker = here.start()
    worker.observe_end_offsets({TOPIC: 10})
    await here.feed(worker, 0, 3)
    await here.committed(3)
    await eventually(lambda: worker.progress.step == "idle", what="it is idle")
    worker.observe_end_offsets({TOPIC: 10})
    here.clock.now_s += 4.0

    assert worker.status() == {
        "step": "idle",
        "queued": 0,
        "lag": 7,
        "still_for_s": 4.0,
        "offsets": {TOPIC: 3},
    }


async def test_a_worker_that_was_never_started_stops(rig: Callable[..., Rig]) -> None:
    here = rig(b"v")
    worker = PartitionWorker(
        here.stage,
        REF,
        log=here.kafka,
        open_writer=here.kafka.open_writer,
        snapshots=here.store,
        snapshot_every_s=60.0,
        metrics=Metrics(),
        clock_s=here.clock,
        set_paused=here.pauses.append,
        on_failure=lambda _, error: here.failures.append(error),
    )

    await worker.stop(within_s=1.0)

    assert here.kafka.calls == []
