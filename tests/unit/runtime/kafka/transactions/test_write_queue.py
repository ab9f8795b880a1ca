"""Which writes share a transaction, and when it begins."""

import asyncio
from dataclasses import dataclass

import pytest
from aiokafka.structs import TopicPartition

from gnomon.runtime.kafka.transactions import write_queue
from gnomon.runtime.kafka.transactions.produce_requests import new_batch
from gnomon.runtime.kafka.transactions.write_queue import Write, WriteQueue


@dataclass
class Partition:
    partition: int
    revoked: bool = False


def write(partition: int, *, size_bytes: int = 100) -> Write:
    batch = new_batch()
    batch.fill([(b"k", b"." * size_bytes)], 0)
    batches = {TopicPartition("out", partition): [batch]}
    done = asyncio.get_running_loop().create_future()
    return Write(Partition(partition), batches, {TopicPartition("in", partition): 1}, done)


async def taken(queue: WriteQueue) -> list[int]:
    return [each.owner.partition for each in await queue.take()]


@pytest.fixture
async def queue() -> WriteQueue:
    """Its transactions take so long that no test waits for one."""
    made = WriteQueue()
    made.transaction_s = 3600.0
    return made


async def test_a_write_of_which_no_other_is_expected_does_not_wait(queue: WriteQueue) -> None:
    queue.add(write(3))
    assert await taken(queue) == [3]


async def test_a_transaction_waits_for_the_partitions_that_were_fetched(queue: WriteQueue) -> None:
    queue.expect({0, 1})
    queue.add(write(0))
    taking = asyncio.create_task(taken(queue))
    await asyncio.sleep(0)
    assert not taking.done()

    queue.add(write(1))

    assert await taking == [0, 1]


async def test_under_a_long_linger_writes_wait_longer_than_a_transaction_takes() -> None:
    queue = WriteQueue(3600.0)
    queue.transaction_s = 0.0
    queue.expect({0, 1})
    queue.add(write(0))
    taking = asyncio.create_task(taken(queue))
    done, _ = await asyncio.wait([taking], timeout=0.05)
    assert not done

    queue.add(write(1))

    assert await taking == [0, 1]


async def test_a_partition_that_waits_for_its_own_write_is_not_waited_for(
    queue: WriteQueue,
) -> None:
    queue.add(write(0))
    queue.expect({0})  # its next records cannot be folded before

    assert await taken(queue) == [0]


async def test_much_to_write_does_not_wait(
    queue: WriteQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(write_queue, "ENOUGH_BYTES", 1000)
    queue.expect({0, 1})
    queue.add(write(0, size_bytes=1000))

    assert await taken(queue) == [0]


async def test_a_transaction_has_a_largest_size(
    queue: WriteQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(write_queue, "MOST_BYTES", 2500)
    for partition in range(3):
        queue.add(write(partition, size_bytes=1000))
    queue.add(write(3, size_bytes=9000))

    assert [await taken(queue) for _ in range(3)] == [[0, 1], [2], [3]]


async def test_the_wait_follows_the_measured_transactions() -> None:
    queue = WriteQueue()
    for _ in range(50):
        queue.observe(0.002)

    assert queue.transaction_s == pytest.approx(0.002, rel=0.01)
