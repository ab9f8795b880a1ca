"""A record on which the stage raises is found, quarantined once, and skipped from then on."""

import shutil
from typing import Any

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from tests.integration.runtime.bench import Bench
from tests.integration.runtime.counting import CountingStage
from tests.support.polling import eventually

from gnomon.errors import StageBrokenError
from gnomon.records import Outputs

pytestmark = pytest.mark.kafka

SECRET = b"!agent-secret"


async def settled(bench: Bench, *, outputs: int, letters: int) -> list[dict[str, Any]]:
    """Wait for that many dead letters, and return them."""

    async def enough() -> bool:
        written = sum(map(len, (await bench.outputs()).values()))
        return written >= outputs and len(await bench.dead_letters()) >= letters

    await eventually(enough, what=f"{outputs} outputs and {letters} dead letters")
    return await bench.dead_letters()


async def test_the_records_around_poison_are_processed_as_without_it(bench: Bench) -> None:
    stage = CountingStage()
    values = [b"v"] * 300
    values[17] = values[170] = values[171] = SECRET
    await bench.send(values, partitions=1)

    worker = await bench.start(stage)
    letters = await settled(bench, outputs=297, letters=3)

    assert stage.largest_batch == 300  # all of them were in one batch
    outputs = (await bench.outputs())[0]
    assert [o["n"] for o in outputs] == list(range(1, 298))
    assert [o["offset"] for o in outputs] == [n for n in range(300) if n not in {17, 170, 171}]
    assert [(d["stage"], d["reason"], d["offset"]) for d in letters] == [
        ("counting", "stage_error", offset) for offset in ("17", "170", "171")
    ]
    assert all(d["value"] == SECRET.decode() for d in letters)
    assert all(d["detail"].startswith("ValueError at counting.py:") for d in letters)
    assert "secret" not in letters[0]["detail"]
    assert worker.health.ready


async def test_a_quarantined_record_is_skipped_by_every_recovery(bench: Bench) -> None:
    first = await bench.start()
    await bench.send([b"v", SECRET, b"v"], partitions=1)
    await settled(bench, outputs=2, letters=1)
    await bench.stop(first)
    shutil.rmtree(bench.settings.state_url)

    # This version of the stage could count the record, but its dead letter says that it was quarantined.
    await bench.start(CountingStage(raises_left=0))
    await bench.send([b"v"], partitions=1)
    letters = await settled(bench, outputs=3, letters=1)

    assert await bench.written() == {0: [1, 2, 3]}
    assert len(letters) == 1


async def test_a_record_that_raises_only_in_recovery_stops_nothing(bench: Bench) -> None:
    first = await bench.start(CountingStage(raises_left=0))
    await bench.send([b"v", SECRET, b"v"], partitions=1)
    await settled(bench, outputs=3, letters=0)
    await bench.stop(first)
    shutil.rmtree(bench.settings.state_url)

    await bench.start(CountingStage())
    await bench.send([b"v"], partitions=1)
    letters = await settled(bench, outputs=4, letters=0)

    assert await bench.written() == {0: [1, 2, 3, 3]}  # the fourth without the second
    assert letters == []


async def test_a_stage_that_raises_once_loses_nothing(bench: Bench) -> None:
    await bench.start(CountingStage(raises_left=2))

    await bench.send([b"v", SECRET, b"v"], partitions=1)

    assert await settled(bench, outputs=3, letters=0) == []
    assert await bench.written() == {0: [1, 2, 3]}


async def test_poison_among_several_topics_keeps_the_order_of_each(bench: Bench) -> None:
    prefix = bench.settings.topic_prefix
    inputs = ("task-events", "comparisons", "shadow-predictions")
    for topic in inputs:
        values = [b"v"] * 40
        values[5] = values[30] = SECRET
        await bench.send(values, topic=topic, partitions=1)

    await bench.start(CountingStage(inputs=inputs))
    letters = await settled(bench, outputs=114, letters=6)

    outputs = (await bench.outputs())[0]
    assert [o["n"] for o in outputs] == list(range(1, 115))
    for topic in inputs:
        offsets = [o["offset"] for o in outputs if o["topic"] == prefix + topic]
        assert offsets == [n for n in range(40) if n not in {5, 30}]
    assert sorted((d["topic"], int(d["offset"])) for d in letters) == sorted(
        (prefix + topic, offset) for topic in inputs for offset in (5, 30)
    )


async def test_poison_is_found_in_a_stateless_stage_too(bench: Bench) -> None:
    await bench.send([b"v"] * 9 + [SECRET], partitions=1)

    await bench.start(CountingStage(stateful=False))
    letters = await settled(bench, outputs=9, letters=1)

    assert [d["offset"] for d in letters] == ["9"]
    assert [o["offset"] for o in (await bench.outputs())[0]] == list(range(9))


async def test_a_stage_that_raises_on_everything_stops_before_it_refuses_everything(
    bench: Bench,
) -> None:
    await bench.send([SECRET] * 200, partitions=1)

    worker = await bench.start(ready=False)
    error = await bench.ended(worker)

    assert isinstance(error, StageBrokenError)
    assert "'counting'" in str(error)
    assert "ValueError" in str(error)
    assert await bench.dead_letters() == []
    await bench.start(CountingStage(raises_left=0))  # fixed
    assert await settled(bench, outputs=200, letters=0) == []


async def limit(bench: Bench, topic: str, *, max_message_bytes: int) -> None:
    """Limit the size of batches that the topic accepts."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bench.settings.brokers)
    await admin.start()
    name = bench.settings.topic_prefix + topic
    await admin.alter_configs(
        [
            ConfigResource(
                ConfigResourceType.TOPIC, name, {"max.message.bytes": str(max_message_bytes)}
            )
        ]
    )
    await admin.close()


@pytest.mark.parametrize(
    ("max_message_bytes", "large"), [(1_048_588, b"+2000000"), (20_000, b"+30000")]
)
async def test_outputs_too_large_for_their_topic_are_quarantined_and_the_rest_continues(
    bench: Bench, max_message_bytes: int, large: bytes
) -> None:
    await limit(bench, "task-features", max_message_bytes=max_message_bytes)
    values = [b"v"] * 30
    values[7] = values[20] = large
    await bench.send(values, partitions=1)

    first = await bench.start()
    letters = await settled(bench, outputs=28, letters=2)

    assert [(d["reason"], d["offset"]) for d in letters] == [
        ("output_too_large", "7"),
        ("output_too_large", "20"),
    ]
    assert await bench.written() == {0: list(range(1, 29))}
    await bench.stop(first)
    shutil.rmtree(bench.settings.state_url)
    await bench.start()
    await bench.send([b"v"], partitions=1)
    await settled(bench, outputs=29, letters=2)
    assert await bench.written() == {0: list(range(1, 30))}


async def test_outputs_of_a_tick_that_no_topic_accepts_stop_nothing(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gnomon.runtime.partition.worker.TICK_EVERY_S", 0.1)
    stage = CountingStage(on_tick=Outputs({"task-features": [(b"k", b"." * 2_000_000)]}))
    worker = await bench.start(stage)
    await eventually(lambda: stage.ticks > 8, what="every partition has ticked")

    await bench.send([b"v"] * 40)

    await bench.expect(10)
    assert worker.health.ready
