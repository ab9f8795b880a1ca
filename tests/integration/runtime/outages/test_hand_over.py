"""Partitions move between workers: how soon the next continues, and how short the pause of the others is."""

import asyncio
import contextlib
import itertools
import time
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer
from tests.integration.runtime.bench import PARTITIONS, Bench
from tests.integration.runtime.counting import Counted, CountingStage
from tests.support.polling import eventually

from gnomon.errors import FencedError
from gnomon.records import SourceRecord
from gnomon.runtime.kafka.reading import read_topic
from gnomon.runtime.kafka.transactions.producer import TransactionalProducer
from gnomon.runtime.process.stage_worker import StageWorker

pytestmark = pytest.mark.kafka


@contextlib.asynccontextmanager
async def steady_feed(bench: Bench) -> AsyncIterator[None]:
    """A record to every partition every 20 ms."""
    producer = AIOKafkaProducer(bootstrap_servers=bench.settings.brokers)
    await producer.start()

    async def feed() -> None:
        while True:
            for partition in range(PARTITIONS):
                await producer.send(
                    f"{bench.settings.topic_prefix}task-events", b"v", partition=partition
                )
            await asyncio.sleep(0.02)

    feeding = asyncio.create_task(feed())
    try:
        yield
    finally:
        feeding.cancel()
        await asyncio.wait([feeding])
        await producer.stop()


async def times_s(bench: Bench) -> dict[int, list[float]]:
    """When each output was written, by partition."""
    found: dict[int, list[float]] = {}
    async for record in read(bench):
        found.setdefault(record.partition, []).append(record.timestamp / 1000)
    return found


def read(bench: Bench) -> AsyncIterator[SourceRecord]:
    return read_topic(
        kafka=bench.settings.kafka,
        topic=f"{bench.settings.topic_prefix}task-features",
        follow=False,
    )


def owned(worker: StageWorker[Counted]) -> set[int]:
    found = worker.health.status()["partitions"]
    assert isinstance(found, dict)
    return {int(number) for number in found}


def longest_pause_s(moments: list[float]) -> float:
    return max(later - earlier for earlier, later in itertools.pairwise(moments))


async def test_survivors_take_over_without_waiting_for_the_session(bench: Bench) -> None:
    first = await bench.start(session_timeout_s=30.0)
    second = await bench.start(session_timeout_s=30.0)
    await eventually(lambda: len(owned(first)) == len(owned(second)) == 2, what="two each")
    async with steady_feed(bench):
        await eventually(bench.outputs, what="work")
        began_s = time.monotonic()

        await bench.stop(second)
        await eventually(lambda: len(owned(first)) == 4 and first.health.ready, what="all are back")
        taken_over_s = time.monotonic() - began_s

    pauses = {p: longest_pause_s(moments) for p, moments in (await times_s(bench)).items()}
    assert taken_over_s < 10
    assert max(pauses.values()) < 10


async def test_a_worker_that_joins_stops_the_others_only_briefly(bench: Bench) -> None:
    stage = CountingStage()
    first = await bench.start(stage)
    async with steady_feed(bench):
        await eventually(bench.outputs, what="work")
        second = await bench.start()
        await eventually(lambda: len(owned(first)) == len(owned(second)) == 2, what="two each")
        kept = owned(first)
        assert set(stage.given_up) == set(range(PARTITIONS)) - kept
        await eventually(lambda: second.health.ready, what="the second works")
        so_far = await bench.written()

        async def all_go_on() -> bool:
            return all(len(n) > len(so_far[p]) + 10 for p, n in (await bench.written()).items())

        await eventually(all_go_on, what="every partition goes on")

    pauses = {p: longest_pause_s(moments) for p, moments in (await times_s(bench)).items()}
    assert max(pauses[p] for p in kept) < 6
    numbers = await bench.written()
    assert all(each == list(range(1, len(each) + 1)) for each in numbers.values())


async def test_a_partition_of_a_worker_that_hangs_moves_in_bounded_time(bench: Bench) -> None:
    stuck = CountingStage()
    first = await bench.start(stuck)
    await bench.send([b"v"] * 40)
    await bench.expect(10)

    async def forever() -> None:
        await asyncio.Event().wait()

    stuck.hangs = forever
    await bench.send([b"v"] * 4)
    await eventually(lambda: any("applying" in str(p) for p in _partitions(first)), what="it hangs")
    second = await bench.start(ready=False)
    await eventually(lambda: len(owned(second)) == 2 and second.health.ready, what="two have moved")
    moved = owned(second)

    stuck.hangs = None
    stopping = asyncio.create_task(bench.stop(first))
    await asyncio.wait([stopping], timeout=12)

    assert stopping.done()
    await bench.expect(11)
    assert len(moved) == 2


def _partitions(worker: StageWorker[Counted]) -> list[object]:
    found = worker.health.status()["partitions"]
    assert isinstance(found, dict)
    return list(found.values())


async def test_a_worker_that_is_fenced_from_outside_its_group_ends_to_be_restarted(
    bench: Bench,
) -> None:
    """Another process has its instance id. No member of the group has taken over, so no rebalance follows."""
    worker = await bench.start(session_timeout_s=6.0, instance_id="twice")
    await bench.send([b"v"] * 4)
    await bench.expect(1)
    other = TransactionalProducer(bench.settings.kafka, f"{worker.group}-twice")
    await other.start()
    try:
        await bench.send([b"v"] * 4)
        await eventually(lambda: not worker.health.ready, what="it notices")
        error = await bench.ended(worker)
    finally:
        await other.stop()

    assert isinstance(error, FencedError)
    await bench.start()
    await bench.expect(2)


async def test_a_worker_with_an_instance_id_goes_on_at_once_after_a_restart(bench: Bench) -> None:
    """It has not left the group, and the group does not wait for the session of the one before."""
    start_named = partial(bench.start, instance_id="pod-0", session_timeout_s=30.0)
    first, second = await start_named(), await bench.start(session_timeout_s=30.0)
    await eventually(lambda: len(owned(first)) == len(owned(second)) == 2, what="two each")
    await bench.send([b"v"] * 4)
    await bench.expect(1)
    kept = owned(first)
    await bench.stop(first)
    began_s = time.monotonic()

    again = await start_named()

    assert time.monotonic() - began_s < 10
    assert owned(again) == kept
    await bench.send([b"v"] * 4)
    await bench.expect(2)


def corrupt_snapshots(folder: Path) -> int:
    """Change the last byte of each snapshot; returns how many there were."""
    snapshots = list(folder.rglob("*.snapshot"))
    for path in snapshots:
        path.write_bytes((whole := path.read_bytes())[:-1] + bytes([whole[-1] ^ 1]))
    return len(snapshots)


async def test_a_full_disk_and_a_corrupt_snapshot_cost_a_longer_recovery_only(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await bench.start()
    await bench.send([b"v"] * 40)
    await bench.expect(10)
    await bench.stop(first)
    assert corrupt_snapshots(Path(bench.settings.state_url)) >= PARTITIONS

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("gnomon.runtime.partition.snapshots.SnapshotStore.save", full)
    again = CountingStage()
    second = await bench.start(again)
    await bench.send([b"v"] * 40)
    await bench.expect(20)
    assert again.restored == []
    assert second.health.ready
