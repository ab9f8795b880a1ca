"""The client against a real broker: everything arrives once, in order, also after an outage."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from tests.conftest import Kafka
from tests.support.polling import eventually, eventually_sync

from gnomon import Client, codec
from gnomon.broker import EmbeddedBroker
from gnomon.events import TaskCancelled, TaskEvent, TaskFinished, TaskStarted
from gnomon.operations.topics_admin import create_topics

pytestmark = pytest.mark.kafka


@dataclass(frozen=True)
class Read:
    """One record of the topic."""

    partition: int
    key: bytes
    event: TaskEvent


async def read_all(brokers: str, prefix: str) -> list[Read]:
    """Return all records of task-events, each partition in its order."""
    consumer = AIOKafkaConsumer(bootstrap_servers=brokers, auto_offset_reset="earliest")
    await consumer.start()
    try:
        partitions = [TopicPartition(f"{prefix}task-events", number) for number in range(4)]
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        found: list[Read] = []
        async with asyncio.timeout(60):
            while len(found) < sum(ends.values()):
                for records in (await consumer.getmany(timeout_ms=200)).values():
                    found += [
                        Read(r.partition, r.key, codec.decode_task_event(r.value)) for r in records
                    ]
        return found
    finally:
        await consumer.stop()


def unnumbered(event: TaskEvent) -> TaskEvent:
    """Return the event without its identity."""
    return msgspec.structs.replace(event, producer_id=None, seq=None)


def script(body: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(  # noqa: S603  our own script
        [sys.executable, "-c", body, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


async def test_what_is_delivered_is_what_was_sent(kafka: Kafka, topics: str) -> None:
    agents = [f"agent-{number}" for number in range(20)]
    sent: dict[str, list[TaskEvent]] = {agent: [] for agent in agents}
    with Client(kafka.brokers, topic_prefix=topics) as client:
        for number in range(2_000):
            agent = agents[number % 20]
            events: Sequence[TaskEvent] = (
                TaskStarted(
                    agent_id=agent,
                    task_id=f"t{number}",
                    task_type="é",
                    started_at_ms=number,
                    context={"size": number, "half": number / 2, "big": number % 2 == 0},
                ),
                TaskFinished(
                    agent_id=agent,
                    task_id=f"t{number}",
                    task_type="é",
                    started_at_ms=number,
                    finished_at_ms=number + 5,
                    duration_s=0.005,
                    succeeded=number % 3 > 0,
                )
                if number % 7
                else TaskCancelled(agent_id=agent, task_id=f"t{number}", cancelled_at_ms=number),
            )
            for event in events:
                assert client.emit(event)
                sent[agent].append(event)
        assert await client.aflush(20) == 0
        assert client.stats().delivered == 4_000

    found = await read_all(kafka.brokers, topics)
    stored = {a: [unnumbered(r.event) for r in found if r.event.agent_id == a] for a in agents}
    assert stored == sent
    assert sorted(r.event.seq for r in found if r.event.seq is not None) == list(range(4_000))
    assert all(record.key.decode() == record.event.agent_id for record in found)
    assert len({(record.key, record.partition) for record in found}) == 20


async def test_keys_go_where_other_clients_put_them(kafka: Kafka, topics: str) -> None:
    """Partitions of 4 as the Java client's ``Utils.toPositive(Utils.murmur2(key)) % 4``."""
    # murmur2 of Kafka's own UtilsTest: "21" -973932308, "foobar" -790332482, "abc" 479470107.
    expected = {
        "21": (-973932308 & 0x7FFFFFFF) % 4,
        "foobar": (-790332482 & 0x7FFFFFFF) % 4,
        "abc": 479470107 % 4,
    }
    with Client(kafka.brokers, topic_prefix=topics) as client:
        for agent in expected:
            client.emit(TaskCancelled(agent_id=agent, task_id="t", cancelled_at_ms=1))
        assert await client.aflush(20) == 0

    found = await read_all(kafka.brokers, topics)
    assert {record.event.agent_id: record.partition for record in found} == expected


async def test_a_topic_that_appears_later(kafka: Kafka, prefix: str) -> None:
    with Client(kafka.brokers, topic_prefix=prefix, agent_id="early") as client:
        with client.task("x"):
            pass
        assert await client.aflush(1.0) == 2
        await create_topics(kafka.connection, prefix=prefix, partitions=4, replication=1)
        assert await client.aflush(30) == 0

    assert len(await read_all(kafka.brokers, prefix)) == 2


async def test_parent_and_forked_child_share_nothing(kafka: Kafka, topics: str) -> None:
    body = """
import os, sys
from gnomon import Client
client = Client(sys.argv[1], topic_prefix=sys.argv[2], agent_id="a", exit_timeout_s=10)
for _ in range(20):
    client.start("before")
client.flush(10)
for _ in range(20):
    client.start("around")
pid = os.fork()
if pid == 0:
    for _ in range(20):
        client.start("child")
    sys.exit(0)
os.waitpid(pid, 0)
for _ in range(20):
    client.start("after")
"""
    done = script(body, kafka.brokers, topics)

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    found = await read_all(kafka.brokers, topics)
    types = Counter(r.event.task_type for r in found if isinstance(r.event, TaskStarted))
    assert types == {"before": 20, "around": 20, "child": 20, "after": 20}
    assert len({record.event.task_id for record in found}) == 80


async def test_a_short_script_delivers_by_a_host_name(kafka: Kafka, topics: str) -> None:
    """At exit Python's executors refuse work; resolving a name must not need one."""
    body = """
import sys
from gnomon import Client
client = Client(sys.argv[1], topic_prefix=sys.argv[2], agent_id="a", exit_timeout_s=20)
with client.task("x"):
    pass
"""
    done = script(body, kafka.brokers.replace("127.0.0.1", "localhost"), topics)

    assert (done.returncode, done.stderr) == (0, "")
    assert len(await read_all(kafka.brokers, topics)) == 2


@pytest.fixture(scope="module")
def broker_to_stop(
    kafka: Kafka, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[EmbeddedBroker]:
    """A broker of these tests' own; ``kafka`` only skips them where Kafka cannot run."""
    assert kafka.brokers
    with EmbeddedBroker(data_dir=tmp_path_factory.mktemp("broker")) as broker:
        yield broker


@pytest.fixture
def broker(broker_to_stop: EmbeddedBroker) -> EmbeddedBroker:
    """The broker, running, whatever the test before has done to it."""
    broker_to_stop.start()
    return broker_to_stop


@pytest.mark.slow
async def test_a_broker_that_dies_and_returns_has_everything_once(
    broker: EmbeddedBroker, prefix: str
) -> None:
    await create_topics(broker.connection, prefix=prefix, partitions=4, replication=1)
    stop = threading.Event()
    with Client(broker.brokers, topic_prefix=prefix, max_events=100_000) as client:
        publishing = threading.Thread(target=publish, args=(client, stop))
        publishing.start()
        try:
            await eventually(lambda: client.stats().delivered > 100, what="a start")
            broker.kill()
            dead = client.stats().delivered
            await eventually(lambda: client.stats().buffered > 500, what="a backlog")
            assert client.stats().delivered - dead < 500
            broker.start()
            await eventually(lambda: client.stats().delivered > dead + 500, what="a recovery")
        finally:
            stop.set()
            publishing.join()
        assert await client.aflush(30) == 0
        stats = client.stats()
    assert stats.accepted == stats.delivered
    assert stats.dropped == stats.failed == 0
    found = await read_all(broker.brokers, prefix)

    assert len(found) == stats.delivered
    for agent in ("a", "b", "c"):
        numbers = [int(r.event.task_id) for r in found if r.event.agent_id == agent]
        assert numbers == sorted(set(numbers))


def publish(client: Client, stop: threading.Event) -> None:
    number = 0
    while not stop.wait(0.002):
        for agent in ("a", "b", "c"):
            number += 1
            client.emit(TaskCancelled(agent_id=agent, task_id=f"{number}", cancelled_at_ms=1))


@pytest.mark.slow
@pytest.mark.parametrize("outage", ["killed", "stopped", "ended"])
async def test_with_a_spool_an_outage_costs_nothing(
    broker: EmbeddedBroker, tmp_path: Path, prefix: str, outage: str
) -> None:
    """A repeat has the number of the first, so dropping repeats leaves every event once."""
    await create_topics(broker.connection, prefix=prefix, partitions=4, replication=1)
    stop = threading.Event()
    with Client(broker.brokers, topic_prefix=prefix, spool_dir=str(tmp_path)) as client:
        publishing = threading.Thread(target=publish, args=(client, stop))
        publishing.start()
        try:
            await eventually(lambda: client.stats().delivered > 100, what="a start")
            assert broker.pid is not None
            if outage == "stopped":
                os.kill(broker.pid, signal.SIGSTOP)
            else:
                (broker.kill if outage == "killed" else broker.stop)()
            await eventually(lambda: client.stats().spooled > 500, what="a spool")
            if outage == "stopped":
                os.kill(broker.pid, signal.SIGCONT)
            else:
                broker.start()
            await eventually(lambda: client.stats().spooled == 0, what="a recovery")
        finally:
            stop.set()
            publishing.join()
        await eventually(
            lambda: client.stats().delivered == client.stats().accepted, what="the rest"
        )
        stats = client.stats()
    assert (stats.dropped, stats.failed, stats.spooled) == (0, 0, 0)
    found = await read_all(broker.brokers, prefix)

    assert {r.event.seq for r in found} == set(range(stats.accepted))
    assert len({(r.event.seq, r.event.agent_id, r.partition) for r in found}) == stats.accepted


@pytest.mark.slow
async def test_a_broker_that_comes_up_late(broker: EmbeddedBroker, prefix: str) -> None:
    """The agent starts before the broker, and its events wait."""
    await create_topics(broker.connection, prefix=prefix, partitions=4, replication=1)
    broker.stop()
    with Client(broker.brokers, topic_prefix=prefix, agent_id="early") as client:
        with client.task("x"):
            pass
        assert await client.aflush(0.5) == 2
        broker.start()
        eventually_sync(lambda: client.stats().delivered == 2, what="delivery")
