"""The queue of a partition: order, gaps, back-pressure, and what a rebalance drops."""

import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.kafka.memory_partition import TOPIC, Record, batch, records

from gnomon.errors import LostRecordsError
from gnomon.records import SourceRecord
from gnomon.runtime.partition import queue as module
from gnomon.runtime.partition.queue import PartitionQueue


@pytest.fixture
def pauses() -> list[bool]:
    return []


@pytest.fixture
def queue(pauses: list[bool]) -> PartitionQueue:
    return PartitionQueue(max_records=4, set_paused=pauses.append)


def offsets(taken: Sequence[SourceRecord]) -> list[int]:
    return [record.offset for record in taken]


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_all_that_waits_is_taken_in_order(queue: PartitionQueue) -> None:
    log = records(*[b"v"] * 3)
    await queue.put(batch(log[:2]))
    await queue.put(batch(log[2:]))

    assert queue.records == 3
    assert offsets(queue.take({TOPIC: 0}, partition=0)) == [0, 1, 2]
    assert queue.records == 0
    assert queue.take({TOPIC: 3}, partition=0) == []


async def test_records_of_several_topics_are_taken_together(queue: PartitionQueue) -> None:
    await queue.put(batch(records(b"a", topic="p.a", start=5), start=5))
    await queue.put(batch(records(b"b", topic="p.b")))

    taken = queue.take({"p.a": 5, "p.b": 0}, partition=0)

    assert [(record.topic, record.offset) for record in taken] == [("p.a", 5), ("p.b", 0)]


async def test_records_already_processed_are_dropped(queue: PartitionQueue) -> None:
    await queue.put(batch(records(*[b"v"] * 4)))

    assert offsets(queue.take({TOPIC: 3}, partition=0)) == [3]


@pytest.mark.parametrize(("start", "lost"), [(2, False), (3, True)])
async def test_a_gap_before_a_batch_is_an_error(
    queue: PartitionQueue,
    start: int,
    lost: bool,  # noqa: FBT001
) -> None:
    """Offsets that are no records, as the end of a transaction, are inside a batch and no gap."""
    await queue.put(batch([Record(7)], start=start))
    if lost:
        with pytest.raises(LostRecordsError, match=r"p\.in\[5\]: read from 3, expected 2"):
            queue.take({TOPIC: 2}, partition=5)
    else:
        assert offsets(queue.take({TOPIC: 2}, partition=5)) == [7]


async def test_a_gap_between_two_batches_that_wait_is_an_error(queue: PartitionQueue) -> None:
    await queue.put(batch([Record(0)]))
    await queue.put(batch([Record(2)]))
    with pytest.raises(LostRecordsError):
        queue.take({TOPIC: 0}, partition=0)


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(1, 6)), max_size=12), st.data())
async def test_each_record_is_taken_once_however_batches_overlap(
    fetches: list[tuple[int, int]], data: st.DataObject
) -> None:
    """Batches are fetched again from before, as after a rebalance, but never from behind a gap."""
    queue = PartitionQueue(max_records=1_000, set_paused=lambda _: None)
    next_offset = fetched = 0
    taken: list[int] = []
    for back, count in fetches:
        start = max(0, fetched - back)
        await queue.put(batch([Record(n) for n in range(start, start + count)]))
        fetched = max(fetched, start + count)
        if data.draw(st.booleans()):
            taken += offsets(queue.take({TOPIC: next_offset}, partition=0))
            next_offset = len(taken)
    taken += offsets(queue.take({TOPIC: next_offset}, partition=0))

    assert taken == list(range(fetched))


async def test_put_waits_while_the_queue_is_full(queue: PartitionQueue, pauses: list[bool]) -> None:
    log = records(*[b"v"] * 6)
    await queue.put(batch(log[:4]))
    putting = asyncio.create_task(queue.put(batch(log[4:])))
    await settle()
    assert not putting.done()

    assert offsets(queue.take({TOPIC: 0}, partition=0)) == [0, 1, 2, 3]
    await putting

    assert offsets(queue.take({TOPIC: 4}, partition=0)) == [4, 5]
    assert pauses == []


async def test_a_queue_that_stays_full_is_paused_and_loses_nothing(
    queue: PartitionQueue, pauses: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PAUSE_AFTER_S", 0.01)
    log = records(*[b"v"] * 7)
    await queue.put(batch(log[:4]))
    await queue.put(batch(log[4:6]))
    assert pauses == [True]
    async with asyncio.timeout(5):  # a fetch that was under way brings one more, and does not wait
        await queue.put(batch(log[6:]))

    assert offsets(queue.take({TOPIC: 0}, partition=0)) == list(range(7))
    assert pauses == [True, False]


async def test_clear_drops_what_waits_and_what_is_being_put(queue: PartitionQueue) -> None:
    log = records(*[b"v"] * 6)
    await queue.put(batch(log[:4]))
    putting = asyncio.create_task(queue.put(batch(log[4:])))
    await settle()

    queue.clear()
    await putting

    assert queue.records == 0
    assert queue.take({TOPIC: 0}, partition=0) == []  # a later batch alone would be a gap
    await queue.put(batch(log))
    assert offsets(queue.take({TOPIC: 0}, partition=0)) == list(range(6))


async def test_after_a_rebalance_a_paused_partition_is_fetched_without_being_resumed(
    queue: PartitionQueue, pauses: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PAUSE_AFTER_S", 0.01)
    log = records(*[b"v"] * 5)
    await queue.put(batch(log[:4]))
    await queue.put(batch(log[4:]))

    queue.clear()
    queue.take({TOPIC: 0}, partition=0)

    assert pauses == [True]  # the consumer has forgotten the pause by itself


async def test_a_closed_queue_accepts_nothing_and_wakes_its_reader(queue: PartitionQueue) -> None:
    waiting = asyncio.create_task(queue.wait(60.0))
    await settle()
    assert not waiting.done()

    queue.close()

    async with asyncio.timeout(5):
        await waiting
    await queue.put(batch(records(b"v")))
    assert queue.records == 0


async def test_wait_returns_when_a_batch_arrives_or_the_time_is_over(queue: PartitionQueue) -> None:
    async with asyncio.timeout(5):
        await queue.wait(0.01)
    waiting = asyncio.create_task(queue.wait(60.0))
    await settle()
    assert not waiting.done()
    await queue.put(batch(records(b"v")))
    async with asyncio.timeout(5):
        await waiting
