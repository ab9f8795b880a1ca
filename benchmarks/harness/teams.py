"""Several workers of a stage, one of which can be killed, and when each partition's output grew."""

import asyncio
import subprocess
import sys
import time
from bisect import bisect
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import aiohttp
from aiokafka import AIOKafkaConsumer, TopicPartition
from benchmarks.harness.stream import Event
from benchmarks.harness.watching import end, start

from gnomon.broker.probe import free_port
from gnomon.events import TaskStarted
from gnomon.settings import Settings

OUTPUT = {
    "features": "task-features",
    "shadow": "shadow-predictions",
    "comparison": "comparisons",
    "vault": "decisions",
}
READY_S = 180.0
GIVE_UP_S = 120.0


class Outputs:
    """Times at which the output of each partition of each stage grew, in monotonic seconds.

    It also notes when input was sent that leads to output.
    """

    def __init__(self, brokers: str, stages: Sequence[str], partitions: int) -> None:
        self._seen: dict[tuple[str, int], list[float]] = defaultdict(list)
        self._sent_s: dict[tuple[str, int], list[float]] = defaultdict(list)
        self._partitions = partitions
        self._brokers, self._stages = brokers, {OUTPUT[stage]: stage for stage in stages}

    async def watch(self) -> None:
        """Read until cancelled."""
        tps = [TopicPartition(topic, p) for topic in self._stages for p in range(self._partitions)]
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self._brokers, isolation_level="read_committed", fetch_max_wait_ms=20
        )
        async with consumer:
            consumer.assign(tps)
            await consumer.seek_to_end(*tps)
            while True:
                for tp in await consumer.getmany(timeout_ms=50):
                    self.grew(self._stages[tp.topic], tp.partition, at_s=time.monotonic())

    def grew(self, stage: str, partition: int, *, at_s: float) -> None:
        """Note that output was read."""
        self._seen[stage, partition].append(at_s)

    def sent(self, event: Event, partition: int, *, at_s: float) -> None:
        """Note that an event was sent: the stages up to shadow answer starts, the others finishes."""
        for stage in self._stages.values():
            if isinstance(event, TaskStarted) == (stage in {"features", "shadow"}):
                self._sent_s[stage, partition].append(at_s)

    async def all_grow(self, stage: str, partitions: Sequence[int], after_s: float) -> float:
        """Wait until each partition has grown after ``after_s``; return when the last one first did."""
        while time.monotonic() < after_s + GIVE_UP_S:
            first = [
                next((s for s in self._seen[stage, p] if s > after_s), None) for p in partitions
            ]
            if None not in first:
                return max(s for s in first if s is not None)
            await asyncio.sleep(0.02)
        raise SystemExit(f"{stage} {partitions} did not go on within {GIVE_UP_S:.0f} s")

    def longest_pause_s(
        self, stage: str, partitions: Sequence[int], since_s: float, now_s: float
    ) -> float:
        """Return the longest time from an input of one of the partitions until its next output.

        Inputs from ``since_s`` until now count. The time in which a partition has nothing to do does not.
        """
        longest_s = 0.0
        for p in partitions:
            seen = self._seen[stage, p]
            for sent_s in self._sent_s[stage, p]:
                if sent_s >= since_s:
                    at = bisect(seen, sent_s)
                    longest_s = max(longest_s, (seen[at] if at < len(seen) else now_s) - sent_s)
        return longest_s


class Team:
    """The workers of one stage."""

    def __init__(self, stage: str, settings: Settings, folder: Path, *, partitions: int) -> None:
        self.stage, self._partitions = stage, partitions
        self._env, self._log = settings.as_environ(), folder / f"{stage}.log"
        self._workers: dict[int, subprocess.Popen[bytes]] = {}

    def begin(self) -> None:
        """Start one more worker."""
        port = free_port()
        argv = [sys.executable, "-m", "gnomon", "worker", self.stage, "--port", str(port)]
        self._workers[port] = start(argv, self._env, self._log)

    def end(self) -> None:
        for process in self._workers.values():
            end(process)

    async def shared(self, http: aiohttp.ClientSession) -> Mapping[int, Sequence[int]]:
        """Wait until the workers share all partitions evenly; return them by port."""
        deadline = time.monotonic() + READY_S
        while time.monotonic() < deadline:
            found = {port: await partitions_of(http, port) for port in self._workers}
            sizes = [len(owned) for owned in found.values()]
            if sum(sizes) == self._partitions and max(sizes) - min(sizes) <= 1:
                return found
            await asyncio.sleep(0.2)
        raise SystemExit(f"the workers of {self.stage} do not share: see {self._log}")

    def kill(self, port: int) -> float:
        """Send SIGKILL; return the time, in monotonic seconds."""
        process = self._workers.pop(port)
        killed_s = time.monotonic()
        process.kill()
        process.wait()
        return killed_s


async def partitions_of(http: aiohttp.ClientSession, port: int) -> Sequence[int]:
    """Return the partitions that a worker is ready to work on; none while it is not ready."""
    try:
        async with http.get(f"http://127.0.0.1:{port}/status") as response:
            status: Mapping[str, Any] = await response.json()
    except (aiohttp.ClientError, TimeoutError):
        return ()
    return [int(number) for number in status["partitions"]] if status["ready"] else ()
