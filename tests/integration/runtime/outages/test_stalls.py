"""Every step of a worker is made to hang in turn, and must be reported as a stall."""

import asyncio
import shutil
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import aiohttp
import pytest
from aiokafka import AIOKafkaProducer
from tests.integration.runtime.bench import Bench
from tests.integration.runtime.counting import Counted, CountingStage
from tests.support.polling import eventually

from gnomon.errors import BrokerUnavailableError, StalledError
from gnomon.operations.lag import overview
from gnomon.records import Outputs, SourceRecord
from gnomon.runtime.kafka import engine
from gnomon.runtime.kafka.consumer import BatchConsumer
from gnomon.runtime.kafka.loop_consumer import LoopConsumer
from gnomon.runtime.kafka.transactions.worker_writer import WorkerWriter
from gnomon.runtime.partition.snapshots import SnapshotStore
from gnomon.runtime.process import stall_monitor
from gnomon.runtime.process.stage_worker import StageWorker

pytestmark = pytest.mark.kafka

STALL_AFTER_S = 3.0
"""Longer than a start takes on a busy machine, so that joining the group is not the stall."""


async def forever(*_: object, **__: object) -> Any:
    await asyncio.Event().wait()


async def never_committed(*_: object, **__: object) -> asyncio.Future[None]:
    return asyncio.get_running_loop().create_future()


async def health(worker: StageWorker[Counted]) -> tuple[int, str, list[dict[str, Any]]]:
    """Return status and text of /readyz, and the stalls in /status."""
    async with aiohttp.ClientSession(f"http://127.0.0.1:{worker.port}") as http:
        async with http.get("/readyz") as response:
            status, text = response.status, await response.text()
        async with http.get("/status") as response:
            stalls: list[dict[str, Any]] = (await response.json())["stalls"]
    return status, text, stalls


async def expect_stall(bench: Bench, worker: StageWorker[Counted], step: str) -> None:
    """Expect that the stall is reported with its step, and that it ends the worker, in bounded time.

    Once it is reported it may end the worker; otherwise that would take twice as long again.
    """

    async def reported() -> list[dict[str, Any]]:
        status, text, stalls = await health(worker)
        return stalls if status == 503 and f"counting[0]: {step} for" in text else []

    stalls = await eventually(reported, what=f"a stall while {step}")
    assert (stalls[0]["stage"], stalls[0]["partition"], stalls[0]["step"]) == ("counting", 0, step)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stall_monitor, "EXIT_AFTER_LIMITS", 1.0)
        error = await bench.ended(worker)
    assert isinstance(error, StalledError)
    assert f"{step} for" in str(error)


async def test_a_stage_that_hangs_is_named_and_ends_the_worker(bench: Bench) -> None:
    stage = CountingStage()
    worker = await bench.start(stage, stall_after_s=STALL_AFTER_S)
    stage.hangs = forever

    await bench.send([b"v"], partitions=1)

    await expect_stall(bench, worker, "applying")
    assert await bench.written() == {}


async def test_a_transaction_that_hangs_is_named(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = await bench.start(stall_after_s=STALL_AFTER_S)
    monkeypatch.setattr(WorkerWriter, "begin", never_committed)

    await bench.send([b"v"], partitions=1)

    await expect_stall(bench, worker, "committing")


async def test_a_transaction_that_nobody_ends_is_a_stalled_fetch(bench: Bench) -> None:
    worker = await bench.start(stall_after_s=STALL_AFTER_S)
    brokers, prefix = bench.settings.brokers, bench.settings.topic_prefix
    async with AIOKafkaProducer(
        bootstrap_servers=brokers, transactional_id=f"{prefix}dead"
    ) as producer:
        await producer.begin_transaction()
        await producer.send_and_wait(f"{prefix}task-events", b"v", partition=0)
        await bench.send([b"v"] * 4, partitions=1)

        stages = await overview(kafka=bench.settings.kafka, prefix=prefix)
        assert {stage.name: stage.lag for stage in stages}["features"] == 5
        await expect_stall(bench, worker, "fetch")
        await producer.abort_transaction()


async def test_a_recovery_that_hangs_is_named(bench: Bench) -> None:
    first = await bench.start()
    await bench.send([b"v"] * 4, partitions=1)

    async def committed() -> bool:
        return await bench.written() == {0: [1, 2, 3, 4]}

    await eventually(committed, what="something to recover")
    await bench.stop(first)
    shutil.rmtree(bench.settings.state_url, ignore_errors=True)
    await bench.send([b"v"] * 4, partitions=1)

    worker = await bench.start(
        CountingStage(hangs=forever), ready=False, stall_after_s=STALL_AFTER_S
    )
    await eventually(lambda: worker.port, what="it answers")

    await expect_stall(bench, worker, "recovering")


async def test_a_fetch_that_brings_nothing_is_named(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = await bench.start(stall_after_s=STALL_AFTER_S)

    fetching = asyncio.Event()

    async def nothing(*_: object, **__: object) -> dict[object, object]:
        fetching.set()
        await asyncio.sleep(0.1)
        return {}

    monkeypatch.setattr(LoopConsumer, "_fetch_records", nothing)
    await fetching.wait()  # an earlier fetch would still bring records
    await bench.send([b"v"] * 7, partitions=1)

    await expect_stall(bench, worker, "fetch")


@pytest.fixture
def stuck_disk(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Every write of a snapshot hangs until this is set."""
    over = threading.Event()
    monkeypatch.setattr(SnapshotStore, "save", lambda *_: over.wait(30))
    return over


async def test_a_disk_that_hangs_is_named(bench: Bench, stuck_disk: threading.Event) -> None:
    worker = await bench.start(stall_after_s=STALL_AFTER_S)

    await bench.send([b"v"], partitions=1)

    try:
        await expect_stall(bench, worker, "snapshotting")
    finally:
        stuck_disk.set()


async def test_a_worker_with_nothing_to_do_is_ready(bench: Bench) -> None:
    """The log of one of its topics ends with the end of a transaction, which is no record."""
    await bench.start()
    await bench.send([b"v"] * 40)
    await bench.expect(10)
    reader = CountingStage(name="reading", inputs=("task-features",), output="comparisons")
    worker = await bench.start(reader, stall_after_s=2.5)

    seen: list[object] = []

    async def watched_for_a_while() -> bool:
        seen.extend(worker.health.stalls())
        return float(str(worker.health.status()["uptime_s"])) > 10

    await eventually(watched_for_a_while, what="a while")
    assert seen == []
    assert worker.health.ready
    partitions: Any = worker.health.status()["partitions"]
    assert {partition["lag"] for partition in partitions.values()} == {0}


@pytest.fixture
def endless_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """The request for committed offsets is never answered."""
    monkeypatch.setattr(LoopConsumer, "seek_to_committed", forever)


@pytest.mark.usefixtures("endless_start")
async def test_an_engine_that_does_not_start_ends_the_worker(bench: Bench) -> None:
    worker = await bench.start(ready=False, stall_after_s=1.0)

    error = await bench.ended(worker)

    assert isinstance(error, StalledError)
    assert "does not start" in str(error)


@pytest.mark.usefixtures("endless_start")
async def test_a_partition_that_fails_while_the_engine_starts_ends_the_worker(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def gone(*_: object) -> None:
        raise BrokerUnavailableError("gone")

    monkeypatch.setattr(
        "gnomon.runtime.partition.log.partition_log.KafkaPartitionLog.resume_offsets", gone
    )
    worker = await bench.start(ready=False)

    assert isinstance(await bench.ended(worker), BrokerUnavailableError)


@dataclass
class HangsAtFirst(CountingStage):
    """Waits for ``opened``."""

    opened: asyncio.Event = field(default_factory=asyncio.Event)

    async def apply(self, state: Counted, records: Sequence[SourceRecord]) -> Outputs:
        await self.opened.wait()
        return await super().apply(state, records)


class HangsOnZero(HangsAtFirst):
    """Only partition 0 waits."""

    async def apply(self, state: Counted, records: Sequence[SourceRecord]) -> Outputs:
        if records[0].partition == 0:
            return await super().apply(state, records)
        return await CountingStage.apply(self, state, records)


async def test_a_partition_that_hangs_with_its_queue_full_delays_no_other(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gnomon.runtime.partition.worker.MAX_QUEUED", 100)
    stage = HangsOnZero()
    await bench.start(stage, batch_max_records=50)
    await bench.send([b"v"] * 4000, partitions=1)  # far more than the queues hold
    await bench.send([b"v"] * 400)

    async def others() -> bool:
        written = await bench.written()
        return [len(written.get(p, ())) for p in range(4)] == [0, 100, 100, 100]

    await eventually(others, what="the other three have gone on")
    stage.opened.set()

    async def all_of_it() -> bool:
        return (await bench.written()).get(0) == list(range(1, 4101))

    await eventually(all_of_it, what="the one that hung is done too")


async def test_no_record_of_a_paused_partition_is_lost_while_a_fetch_is_under_way(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All partitions hang until they are paused, with their own queues and Faust's full."""
    monkeypatch.setattr("gnomon.runtime.partition.worker.MAX_QUEUED", 100)
    stage, paused = HangsAtFirst(), set[int]()
    set_paused = engine.set_paused

    def record_paused(app: Any, partition: int, paused_now: bool) -> None:  # noqa: FBT001
        paused.add(partition)
        set_paused(app, partition, paused_now)

    monkeypatch.setattr(engine, "set_paused", record_paused)
    # Large records, so that each fetch has some of every partition, and there are many fetches.
    await bench.send([b"v" * 16_384] * 2400)
    await bench.start(stage)

    async def all_paused() -> bool:
        return len(paused) == 4

    await eventually(all_paused, what="every partition is paused")
    stage.opened.set()

    async def all_of_it() -> bool:
        written = await bench.written()
        return [written.get(p) for p in range(4)] == [list(range(1, 601))] * 4

    await eventually(all_of_it, what="all have gone on")


async def test_a_resumed_partition_does_not_wait_for_a_poll_that_began_without_it(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its fetched records would wait until that poll ends."""
    poll = BatchConsumer.getmany

    def long_poll(consumer: Any, timeout: float) -> Any:
        return poll(consumer, 60.0)

    monkeypatch.setattr(BatchConsumer, "getmany", long_poll)
    worker = await bench.start()

    async def all_but_zero(count: int) -> bool:
        written = await bench.written()
        return [len(written.get(p, ())) for p in (1, 2, 3)] == [count] * 3

    async def zero(count: int) -> bool:
        return len((await bench.written()).get(0, ())) == count

    for count in (2, 4, 6):
        engine.set_paused(worker._app, 0, paused=True)
        for sent in (count - 1, count):  # the first may be found by a poll that has begun before
            await bench.send([b"v"] * 4)
            await eventually(partial(all_but_zero, sent), what="a poll has begun without it")
        assert not await zero(count)
        engine.set_paused(worker._app, 0, paused=False)
        await eventually(partial(zero, count), what="it is read")
