"""A client with a spool on a real broker: accepted events arrive, however its process ended."""

import asyncio
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.conftest import Kafka
from tests.support.polling import eventually

from gnomon import Client, codec
from gnomon.broker import EmbeddedBroker
from gnomon.events import TaskEvent
from gnomon.operations.topics_admin import create_topics
from gnomon.runtime.kafka.reading import read_topic

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(120)]

ALLOWANCE_S = 1.0
"""Time to end an interpreter on a busy machine, in seconds."""
AGENT = """
import sys, time
from gnomon import Client

brokers, prefix, folder, budget_s = sys.argv[1:5]
client = Client(
    brokers, topic_prefix=prefix, agent_id="a", spool_dir=folder, exit_timeout_s=float(budget_s)
)
"""
THOUSAND = """
for number in range(500):
    with client.task("x", task_id=f"{number}"):
        pass
print(client.stats().accepted, time.monotonic(), flush=True)
"""
UNTIL_KILLED = """
for number in range(100_000):
    client.start("x", task_id=f"{number}")
    if number % 50 == 0:
        time.sleep(0.01)
        print(client.stats().spooled, flush=True)
"""


@contextmanager
def dead_broker(kind: str) -> Iterator[str]:
    """Return an address without a listener, or one that accepts connections and never answers."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        if kind == "hung":
            listening.listen(64)
        yield f"127.0.0.1:{listening.getsockname()[1]}"


def agent(body: str, *arguments: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(  # noqa: S603  our own script
        [sys.executable, "-c", AGENT + body, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def segments(folder: Path) -> list[str]:
    return [name for name in files(folder) if name.endswith(".spool")]


async def stored(kafka: Kafka, prefix: str) -> list[TaskEvent]:
    topic = f"{prefix}task-events"
    return [
        codec.decode_task_event(record.value or b"")
        async for record in read_topic(kafka=kafka.connection, topic=topic, follow=False)
    ]


def identities(events: list[TaskEvent]) -> dict[str | None, set[int | None]]:
    """Return the sequence numbers of each producer, without repeats."""
    found: dict[str | None, set[int | None]] = {}
    for event in events:
        found.setdefault(event.producer_id, set()).add(event.seq)
    return found


async def start_another(kafka: Kafka, prefix: str, folder: Path) -> list[TaskEvent]:
    """Start an agent again; return everything that is stored afterwards."""
    with Client(kafka.brokers, topic_prefix=prefix, agent_id="a", spool_dir=str(folder)) as client:
        client.start("again", task_id="again")
        await eventually(
            lambda: client.stats().delivered == 1 and not segments(folder), what="an empty spool"
        )
    assert files(folder) == []
    return await stored(kafka, prefix)


@pytest.mark.parametrize("kind", ["refused", "hung"])
@pytest.mark.parametrize("budget_s", [0.3, 2.0])
async def test_a_process_ends_in_time_and_the_next_delivers_all(
    kind: str, budget_s: float, kafka: Kafka, topics: str, tmp_path: Path
) -> None:
    """The shorter time limit ends before the broker counts as unreachable."""
    folder = tmp_path / "spool"
    with dead_broker(kind) as brokers:
        process = agent(THOUSAND, brokers, topics, str(folder), str(budget_s))
        said, complaints = await asyncio.to_thread(process.communicate, timeout=60)
        ended_s = time.monotonic()
    accepted, main_done_s = said.split()
    assert (int(accepted), process.returncode) == (1_000, 0)
    assert ended_s - float(main_done_s) < budget_s + ALLOWANCE_S
    assert len(complaints.splitlines()) <= 1

    events = await start_another(kafka, topics, folder)
    by_producer = identities(events)
    assert sorted(map(len, by_producer.values())) == [1, 1_000]
    for numbers in by_producer.values():
        assert numbers == set(range(len(numbers)))
    tasks = Counter(
        (e.task_id, type(e)) for e in {(e.producer_id, e.seq): e for e in events}.values()
    )
    assert len(tasks) == 1_001
    assert set(tasks.values()) == {1}


async def test_a_killed_process_loses_nothing_that_its_spool_had_taken(
    kafka: Kafka, topics: str, tmp_path: Path
) -> None:
    folder = tmp_path / "spool"
    with dead_broker("refused") as brokers:
        process = agent(UNTIL_KILLED, brokers, topics, str(folder), "2")
        spooled = await asyncio.to_thread(_spooled_at_death, process, 1_500)

    events = await start_another(kafka, topics, folder)
    by_producer = identities(events)
    assert len(by_producer) == 2
    numbers = max(by_producer.values(), key=len)
    assert len(numbers) >= spooled


def _spooled_at_death(process: "subprocess.Popen[str]", least: int) -> int:
    """Kill a process once it has spooled ``least`` events; return how many it had reported."""
    assert process.stdout is not None
    with process:
        for line in process.stdout:
            if int(line) >= least:
                process.send_signal(signal.SIGKILL)
                return int(line)
    raise AssertionError(f"it ended by itself: {process.returncode}")


@pytest.mark.slow
async def test_what_an_outage_put_into_the_spool_leaves_it_with_the_broker_back(
    kafka: Kafka, prefix: str, tmp_path: Path
) -> None:
    """The fixture ``kafka`` only skips this test where Kafka cannot run."""
    assert kafka.brokers
    broker = EmbeddedBroker(data_dir=tmp_path / "kafka")
    broker.start()
    await create_topics(broker.connection, prefix=prefix, partitions=4, replication=1)
    broker.stop()
    folder = tmp_path / "spool"
    with Client(broker.brokers, topic_prefix=prefix, agent_id="a", spool_dir=str(folder)) as client:
        for number in range(300):
            client.start("x", task_id=f"{number}")
        await eventually(lambda: client.stats().spooled == 300, what="all of it in the spool")
        assert len(segments(folder)) == 1
        with broker:
            await eventually(
                lambda: client.stats().delivered == 300, timeout_s=40, what="all delivered"
            )
            assert client.stats().spooled == 0
            assert segments(folder) == []
            events = await stored(Kafka(broker.brokers, broker), prefix)
    assert files(folder) == []
    assert [numbers == set(range(300)) for numbers in identities(events).values()] == [True]
