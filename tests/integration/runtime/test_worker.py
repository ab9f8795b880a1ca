"""The batch runtime on real Kafka: every record is processed once, whatever happens to the workers."""

import asyncio
import shutil
from functools import partial
from pathlib import Path

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.integration.runtime.bench import Bench
from tests.integration.runtime.counting import Counted, CountingStage
from tests.support.kafka.group_writer import group_writer
from tests.support.polling import eventually

from gnomon.errors import FencedError
from gnomon.operations.lag import overview
from gnomon.records import Outputs
from gnomon.runtime.kafka.transactions import group as group_module
from gnomon.runtime.process.stage_worker import StageWorker

pytestmark = pytest.mark.kafka


async def test_each_record_is_folded_once_and_in_order(bench: Bench) -> None:
    await bench.start()

    await bench.send(b"%d" % i for i in range(4000))

    await bench.expect(1000)


async def test_partitions_take_turns_when_one_has_much_to_read(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its queue is full with its first batch; one fetch has its second and the first of the others."""
    monkeypatch.setattr("gnomon.runtime.partition.worker.MAX_QUEUED", 1)
    monkeypatch.setattr("gnomon.runtime.partition.queue.PAUSE_AFTER_S", 60.0)
    await bench.send([b"v"] * 400)
    gate = asyncio.Event()
    stage = CountingStage(hangs=gate.wait)

    await bench.start(stage, batch_max_records=10)

    await eventually(lambda: set(stage.turns) == {0, 1, 2, 3}, what="all have begun")
    gate.set()
    await bench.expect(100)


async def test_a_stopped_worker_leaves_its_state_to_the_next(bench: Bench) -> None:
    first = await bench.start()
    await bench.send([b"v"] * 400)
    await bench.expect(100)
    await bench.stop(first)

    await bench.send([b"v"] * 400)
    successor = CountingStage()
    await bench.start(successor)

    await bench.expect(200)
    assert sorted(successor.restored) == [0, 1, 2, 3]


async def test_without_snapshots_the_state_is_folded_again_from_the_log(bench: Bench) -> None:
    first = await bench.start()
    await bench.send([b"v"] * 400)
    await bench.expect(100)
    await bench.stop(first)
    shutil.rmtree(bench.settings.state_url)

    successor = CountingStage()
    await bench.start(successor)
    await bench.send([b"v"] * 400)

    await bench.expect(200)
    assert successor.restored == []


async def test_a_worker_that_joins_takes_a_share_and_one_that_leaves_gives_it_back(
    bench: Bench,
) -> None:
    first = await bench.start()
    sending = asyncio.create_task(bench.send([b"v"] * 2000))
    second = await bench.start()
    await eventually(lambda: len(_partitions(second)) == 2, what="two partitions each")
    assert len(_partitions(first)) == 2
    await sending
    await bench.send([b"v"] * 2000)
    await bench.stop(second)

    await bench.send([b"v"] * 2000)

    await bench.expect(1500)
    await eventually(lambda: len(_partitions(first)) == 4, what="all partitions are back")


def _partitions(worker: StageWorker[Counted]) -> dict[str, object]:
    found = worker.health.status()["partitions"]
    assert isinstance(found, dict)
    return found


async def test_a_batch_is_retried_while_the_stage_raises_transient_errors(bench: Bench) -> None:
    stage = CountingStage(failures_left=3)
    await bench.start(stage)

    await bench.send([b"v"] * 40)

    await bench.expect(10)
    assert stage.failures_left == 0


async def test_a_refused_record_is_a_dead_letter_and_the_others_are_processed(bench: Bench) -> None:
    await bench.start()

    await bench.send([b"1", b"x", b"3", b"4"] * 2)

    async def two() -> list[dict[str, object]]:
        letters = await bench.dead_letters()
        return letters if len(letters) == 2 else []

    letters = await eventually(two, what="two dead letters")
    assert [(d["reason"], d["value"], d["stage"]) for d in letters] == [
        ("poison", "x", "counting")
    ] * 2
    assert sorted(int(str(d["offset"])) for d in letters) == [0, 1]
    written = await bench.written()
    assert sum(map(len, written.values())) == 6


@pytest.mark.parametrize("name", ["a", "another"], ids=["same id", "another id"])
async def test_a_fenced_writer_writes_nothing(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """With another transactional id, the generation of the group is what fences."""
    monkeypatch.setattr(group_module, "NEXT_GENERATION_S", 0.1)
    settings = bench.settings
    prefix, group = settings.topic_prefix, f"{settings.topic_prefix}g"
    offsets = {f"{prefix}task-events": 1}
    open_writer = partial(group_writer, settings.brokers, group=group, prefix=prefix)
    outputs = Outputs({"task-features": [(b"k", b'{"n": 1}')]})
    async with open_writer() as zombie:
        async with open_writer(name=name) as successor:
            await successor.write(outputs, offsets)
        with pytest.raises(FencedError):
            await zombie.write(Outputs({"task-features": [(b"k", b'{"n": 99}')]}), offsets)

    assert await bench.written() == {0: [1]}


async def test_the_endpoints_report_work_and_lag(bench: Bench) -> None:
    worker = await bench.start()
    await bench.send([b"v"] * 400)
    await bench.expect(100)

    async with aiohttp.ClientSession(f"http://127.0.0.1:{worker.port}") as http:
        async with http.get("/readyz") as ready:
            assert ready.status == 200
        async with http.get("/livez") as live:
            assert live.status == 200
        async with http.get("/status") as response:
            status = await response.json()
        async with http.get("/metrics") as response:
            samples = {
                (sample.name, *sorted(sample.labels.items())): sample.value
                for family in text_string_to_metric_families(await response.text())
                for sample in family.samples
            }

    topic = f"{bench.settings.topic_prefix}task-events"
    assert status["stage"] == "counting"
    assert [p["offsets"] for p in status["partitions"].values()] == [{topic: 100}] * 4
    read = ("gnomon_records_total", ("stage", "counting"), ("topic", topic))
    assert samples[read] == 400


async def test_lag_is_what_no_worker_has_committed(bench: Bench) -> None:
    worker = await bench.start()
    await bench.send([b"v"] * 200)
    await bench.expect(50)
    await bench.stop(worker)
    await bench.send([b"v"] * 40)

    # The counting stage reads task-events under a group of its own; features has read none.
    stages = await overview(kafka=bench.settings.kafka, prefix=bench.settings.topic_prefix)

    assert {stage.name: stage.lag for stage in stages} == {
        "features": 240,
        "shadow": 200,
        "comparison": 440,
        "vault": 0,
    }


def snapshots(folder: Path) -> int:
    return len(list(folder.rglob("*.snapshot")))


async def test_much_work_is_saved_before_the_next_snapshot_is_due(bench: Bench) -> None:
    async def work() -> None:
        await asyncio.sleep(0.4)

    await bench.start(CountingStage(hangs=work), snapshot_every_s=1000.0)
    folder = Path(bench.settings.state_url)

    async def saved() -> bool:
        await bench.send([b"v"], partitions=1)
        return snapshots(folder) > 0

    await eventually(saved, what="a snapshot after some work")
