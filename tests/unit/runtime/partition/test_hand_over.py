"""How a partition passes from one worker to the next: fencing, stopping, draining."""

import asyncio
from collections.abc import Callable

from tests.support.kafka.memory_partition import TOPIC, numbered
from tests.support.kafka.worker_rig import Rig
from tests.support.polling import eventually

from gnomon.errors import FencedError


async def test_the_last_worker_is_fenced_before_its_offsets_are_read(
    rig: Callable[..., Rig],
) -> None:
    here = rig(b"v")
    worker = here.start()
    assert not worker.ready
    await eventually(lambda: worker.ready, what="it is ready")

    assert here.kafka.calls == ["open_writer", "resume_offsets", "describe", "read"]


async def test_all_partitions_ask_for_their_offsets_but_wait_for_their_turn_to_recover(
    rig: Callable[..., Rig],
) -> None:
    here = rig(b"v")
    async with here.slots:
        worker = here.start()
        await eventually(lambda: "resume_offsets" in here.kafka.calls, what="it asks")
        await eventually(lambda: worker.progress.step == "new", what="it waits")
        assert "read" not in here.kafka.calls
    await eventually(lambda: worker.ready, what="it is ready")


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
    first, gate = await here.start_writing()
    await here.feed(first, 2, 4)

    stopping = asyncio.create_task(first.stop(within_s=20.0))
    gate.set()
    await stopping
    # The queued batches are left to the next worker.
    assert here.kafka.written["out"] == numbered(0, 1)
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
    worker, gate = await here.start_writing(1)

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
    gate = here.hold_writes()
    await here.feed(worker, 0, 2)
    await here.writes()
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
    worker, gate = await here.start_writing()
    await here.feed(worker, 2, 4)
    worker.clear_queue()
    gate.set()

    await here.feed(worker, 0, 6)  # the consumer starts at the group's committed offset
    await here.committed(6)

    assert here.kafka.written["out"] == numbered(*range(6))


async def test_a_worker_that_was_never_started_stops(rig: Callable[..., Rig]) -> None:
    here = rig(b"v")
    worker = here.new_worker()

    await worker.stop(within_s=1.0)

    assert here.kafka.calls == []
