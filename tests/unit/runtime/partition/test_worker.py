"""The worker of a partition: exactly once whatever fails, back-pressure, ticks and status."""

from collections.abc import Callable
from functools import partial

import pytest
from tests.support.kafka.memory_partition import TOPIC, CrashError, NumberingStage, batch, numbered
from tests.support.kafka.worker_rig import BATCH, Rig
from tests.support.polling import eventually

from gnomon.errors import LostRecordsError
from gnomon.records import Outputs
from gnomon.runtime.partition import worker as module


async def test_batches_are_processed_in_order_and_once(rig: Callable[..., Rig]) -> None:
    here = rig(*[b"v"] * 7)
    worker = here.start()

    await here.feed(worker, 0, 7)
    await here.committed(7)

    assert here.kafka.written["out"] == numbered(*range(7))
    assert here.failures == []


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
    monkeypatch.setattr("gnomon.runtime.partition.retrying.FIRST_BACKOFF_S", 0.0)
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
    worker, gate = await here.start_writing()
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


async def test_a_tick_that_is_due_is_written_with_the_next_records(
    rig: Callable[..., Rig], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TICK_EVERY_S", 10.0)
    here = rig(*[b"v"] * 3, stage=NumberingStage(on_tick=Outputs({"out": [(None, b"tick")]})))
    worker = here.start()
    await here.feed(worker, 0, 1)
    await here.committed(1)

    here.clock.now_s += 11.0  # due, and for 2.5 s it waits for records
    await here.feed(worker, 1, 3)
    await here.committed(3)

    assert here.kafka.written["out"] == [*numbered(0, 1, 2), b"tick"]
    assert here.kafka.calls.count("write") == 2
    assert here.stage.idle_ms == [0]


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
