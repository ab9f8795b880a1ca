"""A batch folded while the write before it is pending: exactly once whatever becomes of that write."""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.kafka.memory_partition import TOPIC, numbered
from tests.support.kafka.worker_rig import BATCH, Rig
from tests.support.polling import eventually

from gnomon.runtime.partition import processor, retrying, worker
from gnomon.runtime.partition.worker import PartitionWorker


@pytest.fixture(autouse=True)
def _fold_everything_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "FOLDED_AHEAD", 1)
    monkeypatch.setattr(retrying, "FIRST_BACKOFF_S", 0.0)
    monkeypatch.setattr(processor, "RETRIES_S", (0.0,))


def note_folded(folded: list[int]) -> Callable[[Sequence[object]], None]:
    def note(records: Sequence[object]) -> None:
        folded.append(len(records))

    return note


async def folded_ahead(
    here: Rig,
) -> tuple[PartitionWorker[list[int]], asyncio.Event, list[int]]:
    """A worker that has folded a second batch while the write of the first waits, and what it has folded."""
    folded = list[int]()
    here.stage.on_apply = note_folded(folded)
    first, may_write = await here.start_writing()
    await here.feed(first, 2, 4)
    await eventually(lambda: folded == [2, 2], what="the second batch is folded")
    return first, may_write, folded


async def test_the_next_batch_is_folded_but_not_written_before_the_first_is_committed(
    rig: Callable[..., Rig],
) -> None:
    here = rig(*[b"v"] * 6)
    first, may_write, folded = await folded_ahead(here)

    await here.feed(first, 4, 6)

    assert here.kafka.calls.count("write") == 1
    assert first.status()["offsets"] == {TOPIC: 0}
    may_write.set()
    await here.committed(6)
    assert folded == [2, 2, 2]
    assert here.kafka.written["out"] == numbered(*range(6))


async def test_records_that_are_folded_do_not_wait_any_more(rig: Callable[..., Rig]) -> None:
    """A stage that passes tasks over because of its lag would pass over too many."""
    here = rig(*[b"v"] * 6)
    first, may_write = await here.start_writing()
    first.observe_end_offsets({TOPIC: 6})

    await here.feed(first, 2, 4)

    await eventually(lambda: len(here.stage.lags) == 2, what="the second batch is folded")
    assert here.stage.lags[1] == 4
    may_write.set()
    await here.committed(4)


async def test_few_records_wait_to_be_one_batch(
    rig: Callable[..., Rig], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "FOLDED_AHEAD", 5)
    here, folded = rig(*[b"v"] * 6), list[int]()
    here.stage.on_apply = note_folded(folded)
    first, may_write = await here.start_writing()

    await here.feed(first, 2, 4)
    await here.feed(first, 4, 6)
    may_write.set()
    await here.committed(6)

    assert folded == [2, 4]


async def test_after_a_write_that_is_too_large_the_batch_is_folded_again(
    rig: Callable[..., Rig],
) -> None:
    here = rig(b"v", b"L", b"v", b"v")
    here.kafka.largest = 400
    first, may_write = await here.start_writing()

    await here.feed(first, 2, 4)
    may_write.set()
    await here.committed(4)

    assert here.kafka.written["out"] == numbered(0, 2, 3)
    assert [(letter.record.offset, letter.reason) for letter in here.kafka.dead] == [
        (1, "output_too_large")
    ]


async def test_a_snapshot_has_nothing_that_is_not_committed(rig: Callable[..., Rig]) -> None:
    here = rig(*[b"v"] * 4)
    _, may_write, _ = await folded_ahead(here)
    here.clock.now_s += 61.0  # a snapshot is due

    assert list(here.store.candidates(0)) == []
    may_write.set()
    await eventually(lambda: list(here.store.candidates(0)), what="a snapshot")
    (snapshot,) = here.store.candidates(0)

    assert (snapshot.offsets, snapshot.data) == ({TOPIC: 4}, b"4")


async def test_a_rebalance_waits_for_what_is_folded(rig: Callable[..., Rig]) -> None:
    here = rig(*[b"v"] * 6)
    first, may_write, _ = await folded_ahead(here)
    await here.feed(first, 4, 6)

    first.clear_queue()
    draining = asyncio.create_task(first.drain())
    may_write.set()
    async with asyncio.timeout(5):
        await draining

    assert here.kafka.committed == {TOPIC: 4}
    assert first.status()["offsets"] == {TOPIC: 4}


async def test_a_worker_cancelled_with_a_batch_folded_ahead_leaves_it_to_the_next(
    rig: Callable[..., Rig],
) -> None:
    here = rig(*[b"v"] * 4)
    first, may_write, _ = await folded_ahead(here)

    await first.stop(within_s=0.05)
    may_write.set()
    second = here.start()
    await here.feed(second, 0, 4)
    await here.committed(4)

    assert here.kafka.written["out"] == numbered(*range(4))
    assert here.failures == []


async def feed_all(here: Rig, at: int, failures: int) -> None:
    """Feed a new worker all that is left, while it writes, until that is committed or it failed."""
    one = here.start()
    await eventually(lambda: one.ready or one.ended, what="it is ready, or has failed")
    while at < len(here.log) and len(here.failures) == failures:
        await here.feed(one, at, min(at + BATCH, len(here.log)))
        at = min(at + BATCH, len(here.log))
        for _ in range(20):  # so that the worker folds each batch alone
            await asyncio.sleep(0)
    await eventually(
        partial(here.settled, len(here.log), failures), what="everything committed, or a failure"
    )
    await one.stop(within_s=5.0)


async def some_turns() -> None:
    """Let the event loop turn, so that the next batch is folded before the write is done."""
    for _ in range(30):
        await asyncio.sleep(0)


async def run_with_a_crash(folder: Path, values: Sequence[bytes], crash_at: int | None) -> Rig:
    here = Rig(folder, *values)
    here.kafka.largest, here.kafka.crash_at = 400, crash_at
    here.kafka.gate = some_turns
    for _ in range(3):
        await feed_all(here, here.kafka.committed.get(TOPIC, 0), len(here.failures))
        if here.kafka.committed.get(TOPIC) == len(here.log):
            break
    return here


@settings(max_examples=60)
@given(
    values=st.lists(st.sampled_from([b"v", b"v", b"v", b"x", b"!", b"L"]), min_size=1, max_size=14),
    crash_at=st.none() | st.integers(0, 40),
)
def test_any_records_with_a_crash_at_any_call_count_once(
    values: list[bytes], crash_at: int | None
) -> None:
    with TemporaryDirectory() as folder:
        here = asyncio.run(run_with_a_crash(Path(folder), values, crash_at))

    assert here.kafka.written["out"] == numbered(
        *(offset for offset, value in enumerate(values) if value == b"v")
    )
    reasons = {b"x": "refused", b"!": "stage_error", b"L": "output_too_large"}
    assert [(letter.record.offset, letter.reason) for letter in here.kafka.dead] == [
        (offset, reasons[value]) for offset, value in enumerate(values) if value != b"v"
    ]
    assert here.kafka.committed == {TOPIC: len(values)}
