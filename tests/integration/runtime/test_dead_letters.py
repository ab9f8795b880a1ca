"""``gnomon dead-letters`` on dead letters that a real worker has written."""

import asyncio
from collections.abc import Callable

import pytest
from aiokafka import AIOKafkaProducer
from tests.integration.runtime.bench import Bench
from tests.integration.runtime.counting import CountingStage
from tests.support.polling import eventually

from gnomon.cli import main
from gnomon.runtime.kafka.reading import read_topic

pytestmark = pytest.mark.kafka

Run = Callable[..., "asyncio.Future[tuple[int, str, str]]"]


@pytest.fixture
def command(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Run:
    """Run ``gnomon dead-letters …``: status, output, errors."""
    for name, value in bench.settings.as_environ().items():
        monkeypatch.setenv(name, value)

    async def run(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        status = await asyncio.to_thread(main, ["dead-letters", *arguments])
        return status, *capsys.readouterr()

    return lambda *arguments: asyncio.ensure_future(run(*arguments))


async def letters(bench: Bench, count: int) -> None:
    async def there() -> bool:
        return len(await bench.dead_letters()) >= count

    await eventually(there, what=f"{count} dead letters")


async def test_dead_letters_are_listed_shown_and_redriven(bench: Bench, command: Run) -> None:
    worker = await bench.start()
    topic = f"{bench.settings.topic_prefix}task-events"
    async with AIOKafkaProducer(bootstrap_servers=bench.settings.brokers) as producer:
        await producer.send(topic, b"v", partition=2)
        await producer.send(topic, b"!spoilt", key=b"agent", partition=2)
        await producer.send(topic, b"x", partition=1)
    await letters(bench, 2)

    status, listed, _ = await command("list")
    assert status == 0
    assert "2 dead letters" in listed
    assert "1  counting stage_error" in listed
    assert f"{topic}[2]@1" in listed

    status, listed, _ = await command("list", "--reason", "poison")
    assert "1 dead letters" in listed
    assert "stage_error" not in listed

    place = next(line.split()[0] for line in listed.splitlines() if "an x" in line)
    status, shown, _ = await command("show", place)
    assert status == 0
    assert "value      x\n" in shown
    assert "reason     poison\n" in shown

    await bench.stop(worker)
    await bench.start(CountingStage(raises_left=0))  # the cause is fixed
    status, sent, _ = await command("redrive", "--reason", "stage_error")
    assert status == 0
    assert "1 of 1 sent back" in sent

    async def counted() -> bool:
        return len((await bench.outputs())[2]) == 2

    await eventually(counted, what="the record is counted")
    assert await bench.written() == {2: [1, 2]}
    back = [r async for r in read_topic(kafka=bench.settings.kafka, topic=topic, follow=False)]
    (again,) = [r for r in back if r.headers]
    assert (again.partition, again.key, again.value) == (2, b"agent", b"!spoilt")
    origin = next(d for d in sent.splitlines() if "->" in d).split()[0]
    assert list(again.headers) == [("gnomon-redriven", origin.encode())]


async def test_a_redriven_record_that_fails_again_is_a_new_dead_letter(
    bench: Bench, command: Run
) -> None:
    await bench.start()
    await bench.send([b"x"], partitions=1)
    await letters(bench, 1)

    status, _, _ = await command("redrive", "--id", "0:0")

    assert status == 0
    await letters(bench, 2)
    assert [d["offset"] for d in await bench.dead_letters()] == ["0", "1"]


async def test_many_are_redriven_only_with_yes(bench: Bench, command: Run) -> None:
    await bench.start()
    await bench.send([b"x"] * 101, partitions=1)
    await letters(bench, 101)

    status, _, told = await command("redrive")
    assert status == 2
    assert "101 records: add --yes" in told
    assert len(await bench.dead_letters()) == 101

    status, sent, _ = await command("redrive", "--yes")
    assert status == 0
    assert "101 of 101 sent back" in sent


async def test_a_dead_letter_that_does_not_exist_is_named(bench: Bench, command: Run) -> None:
    for arguments in (("show", "3:99"), ("redrive", "--id", "3:99")):
        status, _, told = await command(*arguments)
        assert status == 1
        assert "no letter 3:99" in told
