"""Starts processes, measures how fast their output grows and what they consume, and ends them."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiokafka import TopicPartition

from gnomon.connection import KafkaConnection, aiokafka_clients

TICKS = os.sysconf("SC_CLK_TCK")
LOOK_EVERY_S = 0.05
COUNTED_S = 60.0
"""For how long the records of a topic are counted."""
FIRST_SHARE = 0.1
"""Share of the output from which on the rate is measured, so that start-up does not count."""


@dataclass(frozen=True, slots=True)
class Rate:
    """Rate of an engine between 10 % and 100 % of its output.

    Attributes:
        per_s: Records per second.
        cpu_s: Processor time of the engine in that period, in seconds.
        broker_cpu_s: Processor time of Kafka in that period.
        whole_cpu_s: Processor time of the engine, including start-up.
        span_s: Length of that period.
        seconds: Time from its start to the end of its output.
        done: Whether all of the output came in time.
    """

    per_s: float
    cpu_s: float
    broker_cpu_s: float
    whole_cpu_s: float
    span_s: float
    seconds: float
    done: bool


@dataclass(frozen=True, slots=True)
class _Mark:
    """Progress of the output at a moment, and the processor time until then."""

    at_s: float
    records: int
    cpu_s: float
    broker_cpu_s: float


class Growth:
    """Counts the records written to a topic since the first call, in completed transactions only."""

    def __init__(self, consumer: Any, topic: str, *, partitions: int) -> None:
        self._consumer = consumer
        self._tps = [TopicPartition(topic, p) for p in range(partitions)]
        self._first: Mapping[TopicPartition, int] = {}

    async def records(self) -> int:
        """Return the growth. The end of a transaction takes an offset too, so it may be 0.1 % too large."""
        ends = await self._consumer.end_offsets(self._tps)
        self._first = self._first or ends
        return sum(int(ends[tp]) - int(self._first[tp]) for tp in self._tps)

    async def counted(self, expected: int, *, within_s: float) -> bool:
        """Read the records since the first call; returns whether there are ``expected`` in time."""
        self._consumer.assign(self._tps)
        for tp in self._tps:
            self._consumer.seek(tp, self._first[tp])
        until_s, count = time.monotonic() + within_s, 0
        while count < expected and time.monotonic() < until_s:
            fetched = await self._consumer.getmany(timeout_ms=200)
            count += sum(map(len, fetched.values()))
        return count >= expected


async def watch(
    kafka: KafkaConnection,
    topic: str,
    *,
    partitions: int,
    expected: int,
    process: "subprocess.Popen[bytes]",
    broker_pid: int,
    timeout_s: float,
) -> Rate:
    """Watch ``topic`` until it has grown by ``expected``, ``process`` ends, or the time is over.

    The rate is that of offsets, some of which are ends of transactions. So afterwards the records are
    counted, and ``process`` may go on until there are ``expected``: other engines read them.
    """
    consumer = aiokafka_clients.consumer(kafka, isolation_level="read_committed")
    await consumer.start()
    try:
        growth = Growth(consumer, topic, partitions=partitions)
        records = await growth.records()
        began_s = time.monotonic()
        first: _Mark | None = None
        while records < expected and process.poll() is None:
            if time.monotonic() - began_s > timeout_s:
                break
            await asyncio.sleep(LOOK_EVERY_S)
            records = await growth.records()
            if first is None and records >= expected * FIRST_SHARE:
                first = _mark(records, process.pid, broker_pid)
        last = _mark(records, process.pid, broker_pid)
        done = records >= expected and await growth.counted(expected, within_s=COUNTED_S)
    finally:
        await consumer.stop()
    return _rate(began_s, first or last, last, done=done)


def _mark(records: int, pid: int, broker_pid: int) -> _Mark:
    at_s = time.monotonic()
    return _Mark(at_s, records, cpu_seconds(pid), cpu_seconds(broker_pid))


def _rate(began_s: float, first: _Mark, last: _Mark, *, done: bool) -> Rate:
    took_s = last.at_s - first.at_s
    return Rate(
        per_s=(last.records - first.records) / took_s if took_s > 0 else 0.0,
        cpu_s=last.cpu_s - first.cpu_s,
        broker_cpu_s=last.broker_cpu_s - first.broker_cpu_s,
        whole_cpu_s=last.cpu_s,
        span_s=took_s,
        seconds=last.at_s - began_s,
        done=done,
    )


def family(root: int) -> Mapping[int, int]:
    """Return a process and its descendants, each with its clock ticks and those of its ended children."""
    parents: dict[int, int] = {}
    ticks: dict[int, int] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        pid = int(stat.parent.name)
        parents[pid], ticks[pid] = int(fields[1]), sum(map(int, fields[11:15]))
    found = {root}
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return {pid: ticks.get(pid, 0) for pid in found}


def cpu_seconds(root: int) -> float:
    """Return user and system time of a process and its descendants, including ended ones."""
    return sum(family(root).values()) / TICKS


def resident_mb(pid: int, *, peak: bool = False) -> float:
    """Return the resident memory of a process, present or largest, in 10^6 bytes."""
    name = "VmHWM:" if peak else "VmRSS:"
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith(name):
            return int(line.split()[1]) * 1024 / 1e6
    raise ValueError(f"process {pid} has no {name}")


def start(argv: Sequence[str], env: Mapping[str, str], log: Path) -> "subprocess.Popen[bytes]":
    """Start a process in a process group of its own, with its output in ``log``."""
    with log.open("ab") as file:
        return subprocess.Popen(
            list(argv),
            env={**os.environ, **env},
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            start_new_session=True,
        )


def end_in_order_at_sigterm() -> None:
    """Make SIGTERM raise an exception in this process, so that its child processes are ended too."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))


def end(process: "subprocess.Popen[bytes]", *, patience_s: float = 15.0) -> None:
    """End the process and its descendants: in order if possible, else by force."""
    for number, wait_s in ((signal.SIGTERM, patience_s), (signal.SIGKILL, 10.0)):
        descendants = family(process.pid)
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            break
        try:
            process.wait(wait_s)
        except subprocess.TimeoutExpired:
            continue
        for pid in descendants:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        break
