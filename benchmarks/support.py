"""What the benchmarks share: topics filled with events, processes watched, CPU time counted."""

import asyncio
import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from gnomon.codec import encode
from gnomon.events import TaskFinished, TaskStarted

BASE_MS = 1_760_000_000_000
DISORDER_MS = 2_000
TICKS = os.sysconf("SC_CLK_TCK")


def events(count: int, *, agents: int, span_h: float, seed: int = 7) -> Iterator[tuple[str, bytes]]:
    """Starts and finishes by turns, ``count`` in all, over ``span_h`` hours of event time.

    Up to two seconds of disorder; the same for a seed, whoever reads them.
    """
    draw = random.Random(seed)
    step_ms = span_h * 3_600_000 / count
    for i in range(0, count, 2):
        agent_id = f"agent-{draw.randrange(agents):06d}"
        at_ms = int(BASE_MS + i * step_ms - draw.random() * DISORDER_MS)
        duration_s = round(draw.lognormvariate(3, 0.8), 3)
        names = {
            "agent_id": agent_id,
            "task_id": f"t{i:09d}",
            "task_type": f"type-{draw.randrange(40)}",
        }
        yield agent_id, encode(TaskStarted(**names, started_at_ms=at_ms))
        yield (
            agent_id,
            encode(
                TaskFinished(
                    **names,
                    started_at_ms=at_ms,
                    finished_at_ms=at_ms + int(duration_s * 1000),
                    duration_s=duration_s,
                    succeeded=draw.random() < 0.7,
                    code_review_iterations=draw.randrange(5),
                )
            ),
        )


async def fill(brokers: str, topic: str, keyed: Iterator[tuple[str, bytes]]) -> None:
    """Publish ``keyed`` to ``topic``."""
    producer = AIOKafkaProducer(
        bootstrap_servers=brokers, linger_ms=20, max_batch_size=512_000, acks=1
    )
    await producer.start()
    try:
        for i, (key, value) in enumerate(keyed):
            await producer.send(topic, value, key=key.encode())
            if i % 20_000 == 0:
                await asyncio.sleep(0)
        await producer.flush()
    finally:
        await producer.stop()


async def committed_end(consumer: AIOKafkaConsumer, topic: str, partitions: int) -> int:
    """Offsets up to which ``topic`` can be read, added up."""
    tps = [TopicPartition(topic, p) for p in range(partitions)]
    return sum((await consumer.end_offsets(tps)).values())


@dataclass(frozen=True, slots=True)
class Rate:
    """How fast a contender was, between 10 % and all of its output."""

    per_s: float
    cpu_s: float
    seconds: float
    done: bool


async def watch(
    brokers: str, topic: str, *, partitions: int, expected: int, pid: int, timeout_s: float
) -> Rate:
    """Follow the growth of ``topic`` by ``expected`` records, written by process ``pid`` and its children."""
    consumer = AIOKafkaConsumer(bootstrap_servers=brokers, isolation_level="read_committed")
    await consumer.start()
    try:
        first = await committed_end(consumer, topic, partitions)
        began_s, lower = time.monotonic(), None
        while True:
            grown = await committed_end(consumer, topic, partitions) - first
            now_s = time.monotonic()
            if lower is None and grown >= expected * 0.1:
                lower = (now_s, grown)
            done = grown >= expected
            if done or now_s - began_s > timeout_s:
                break
            await asyncio.sleep(0.05)
    finally:
        await consumer.stop()
    rate = (
        (grown - lower[1]) / (now_s - lower[0]) if lower is not None and now_s > lower[0] else 0.0
    )
    return Rate(rate, cpu_seconds(pid), now_s - began_s, done)


def cpu_seconds(root: int) -> float:
    """User and system time of a process, its descendants, and those of them that have ended."""
    parents: dict[int, int] = {}
    ticks: dict[int, int] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        pid = int(stat.parent.name)
        parents[pid], ticks[pid] = int(fields[1]), sum(map(int, fields[11:15]))
    family = {root}
    while more := {pid for pid, parent in parents.items() if parent in family} - family:
        family |= more
    return sum(ticks.get(pid, 0) for pid in family) / TICKS


def start(argv: Sequence[str], env: dict[str, str], log: Path) -> subprocess.Popen[bytes]:
    """A process group of its own, its output in ``log``."""
    with log.open("ab") as file:
        return subprocess.Popen(
            list(argv),
            env={**os.environ, **env},
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            start_new_session=True,
        )


def end(process: subprocess.Popen[bytes]) -> None:
    """End the whole group: in order if it will, else by force."""
    for number, patience_s in ((signal.SIGTERM, 15), (signal.SIGKILL, 10)):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            break
        try:
            process.wait(patience_s)
        except subprocess.TimeoutExpired:
            continue
        break
