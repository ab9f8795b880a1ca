"""Which partition workers run as the group assigns and revokes partitions."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from tests.support.kafka.memory_partition import batch, records
from tests.support.polling import eventually

from gnomon.connection import KafkaConnection
from gnomon.errors import FencedError, StageBrokenError
from gnomon.runtime.partition.ports import PartitionRef
from gnomon.runtime.partition.worker import PartitionWorker
from gnomon.runtime.process import assigned_partitions as module
from gnomon.runtime.process.assigned_partitions import AssignedPartitions


class Worker:
    """Notes what it is told."""

    def __init__(self, number: int, on_failure: Callable[..., None]) -> None:
        self.ref = PartitionRef(
            kafka=KafkaConnection("none:1"), group="g", prefix="", partition=number
        )
        self.ended = False
        self.calls: list[str] = []
        self.draining = asyncio.Event()
        self.draining.set()
        self._on_failure = on_failure

    def start(self) -> None:
        self.calls.append("start")

    async def put(self, batch: object) -> None:
        self.calls.append("put")

    def clear_queue(self) -> None:
        self.calls.append("clear")

    async def drain(self) -> None:
        await self.draining.wait()
        self.calls.append("drained")

    def give_up(self) -> None:
        self.calls.append("give up")

    def observe_end_offsets(self, ends: object) -> None:
        self.calls.append(f"ends {ends}")

    async def stop(self, *, within_s: float) -> None:
        self.calls.append(f"stop {within_s:g}")

    def fails(self, error: Exception) -> None:
        self.ended = True
        self._on_failure(self, error)


class Rig:
    def __init__(self) -> None:
        self.opened: list[Worker] = []
        self.failures: list[BaseException] = []
        self.dropped: list[int] = []
        self.partitions: AssignedPartitions[Any] = AssignedPartitions(
            "features",
            open_worker=self._open,
            fail=self.failures.append,
            fenced_grace_s=0.05,
            on_dropped=self.dropped.append,
        )

    def _open(self, number: int, on_failure: Callable[..., None]) -> PartitionWorker[Any]:
        worker: Any = Worker(number, on_failure)
        self.opened.append(worker)
        opened: PartitionWorker[Any] = worker
        return opened

    @property
    def numbers(self) -> list[int]:
        return [number for number, _ in self.partitions]


@pytest.fixture
def rig() -> Rig:
    return Rig()


async def test_a_worker_is_opened_and_started_for_each_partition(rig: Rig) -> None:
    rig.partitions.assign({2, 0}, 5)

    assert rig.numbers == [0, 2]
    assert [worker.calls for worker in rig.opened] == [["start"], ["start"]]


async def test_partitions_keep_their_workers_over_a_rebalance(rig: Rig) -> None:
    rig.partitions.assign({0, 1, 2}, 5)
    rig.partitions.assign({1, 2, 3}, 6)
    await rig.partitions.close(within_s=1.0)

    assert [worker.ref.partition for worker in rig.opened] == [0, 1, 2, 3]
    assert rig.dropped[0] == 0
    assert rig.opened[0].calls == ["start", "give up", "stop 5"]
    assert rig.opened[1].calls == ["start", "stop 1"]


async def test_after_a_missed_generation_every_worker_begins_again(rig: Rig) -> None:
    """Another process may have moved the offsets of any of them on."""
    missed = [rig.partitions.assign({0, 1}, generation) for generation in (5, 6, 8)]

    assert missed == [True, False, True]
    assert [worker.ref.partition for worker in rig.opened] == [0, 1, 0, 1]
    assert [worker.calls for worker in rig.opened[:2]] == [["start", "give up"]] * 2


async def test_a_worker_that_has_ended_begins_again(rig: Rig) -> None:
    rig.partitions.assign({0, 1}, 5)
    rig.opened[0].fails(FencedError("by another"))
    rig.partitions.assign({0, 1}, 6)

    assert [worker.ref.partition for worker in rig.opened] == [0, 1, 0]
    assert rig.failures == []


async def test_batches_go_to_their_partition_and_others_are_dropped(rig: Rig) -> None:
    rig.partitions.assign({0}, 5)
    mine, (other,) = records(b"v"), records(b"v")

    await rig.partitions.put(batch(mine))
    elsewhere = batch([other])
    object.__setattr__(elsewhere, "partition", 9)
    await rig.partitions.put(elsewhere)

    assert rig.opened[0].calls == ["start", "put"]


async def test_a_revocation_waits_for_the_current_batches_but_not_for_ever(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "HAND_OVER_S", 0.05)
    rig.partitions.assign({0, 1}, 5)
    rig.opened[1].draining.clear()

    async with asyncio.timeout(5):
        await rig.partitions.revoke()

    assert rig.opened[0].calls == ["start", "clear", "drained"]
    assert rig.opened[1].calls == ["start", "clear"]


async def test_an_error_of_a_partition_ends_the_process(rig: Rig) -> None:
    rig.partitions.assign({0}, 5)
    error = StageBrokenError("broken")

    rig.opened[0].fails(error)

    assert rig.failures == [error]


async def test_a_fenced_partition_ends_the_process_only_if_no_rebalance_follows(rig: Rig) -> None:
    rig.partitions.assign({0, 1}, 5)
    for worker in rig.opened:
        worker.fails(FencedError("by another"))
    assert rig.failures == []
    rig.partitions.assign({1}, 6)  # 0 was moved away, 1 has begun again

    rig.opened[-1].fails(FencedError("again"))

    await eventually(lambda: rig.failures, what="the one that stays fenced")
    assert [str(error) for error in rig.failures] == ["again"]


async def test_a_worker_that_was_replaced_is_not_listened_to(rig: Rig) -> None:
    rig.partitions.assign({0}, 5)
    rig.partitions.assign({0}, 7)

    rig.opened[0].fails(StageBrokenError("late"))

    assert rig.failures == []


async def test_end_offsets_reach_the_partitions_they_are_of(rig: Rig) -> None:
    rig.partitions.assign({0, 1}, 5)
    rig.partitions.observe_end_offsets({1: {"in": 7}, 3: {"in": 9}})

    assert [worker.calls for worker in rig.opened] == [["start"], ["start", "ends {'in': 7}"]]


async def test_closing_stops_all_and_waits(rig: Rig) -> None:
    rig.partitions.assign({0, 1}, 5)

    await rig.partitions.close(within_s=2.0)

    assert [worker.calls for worker in rig.opened] == [["start", "stop 2"]] * 2
    assert (rig.numbers, sorted(rig.dropped)) == ([], [0, 1])
