"""Measures how soon partitions continue after one of two workers is killed (SIGKILL).

``python -m benchmarks.recovery`` uses a real broker, a state of 10,000 agents in the features stage,
a steady load, and two workers, one of which is killed at random times, again and again. The result
is the time from the kill until new output can be read (``read_committed``) from every partition of
the killed worker. Kafka notices a killed worker only when its session times out, so the session
timeout is printed as well. Each result is printed and written to ``benchmarks/results/recovery.json``.
"""

import argparse
import asyncio
import contextlib
import itertools
import json
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import aiohttp
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from benchmarks.harness.stream import Keyed, by_partition, encoded, events, fill
from benchmarks.harness.watching import end, end_in_order_at_sigterm, start

from gnomon.broker import EmbeddedBroker
from gnomon.broker.probe import free_port
from gnomon.connection import KafkaConnection
from gnomon.operations.lag import overview
from gnomon.operations.topics_admin import create_topics
from gnomon.settings import Settings
from gnomon.vault import create_key_file

HERE = Path(__file__).parent
PARTITIONS = 4
EVENTS_AN_AGENT = 40
SPAN_H = 1.0
OUTPUT = {
    "features": "task-features",
    "shadow": "shadow-predictions",
    "comparison": "comparisons",
    "vault": "decisions",
}
UNDER_WAY_S = 0.5
"""Output that was committed just before a kill may be read until this long after it."""
FEED_EVERY_S = 0.02
READY_S = 180.0
GIVE_UP_S = 120.0


@dataclass(frozen=True, slots=True)
class Kill:
    """One kill, and the seconds until all partitions of the killed worker continued.

    ``others_pause_s`` is the longest time without output of a partition of the other worker.
    """

    stage: str
    partitions: Sequence[int]
    recovery_s: float
    others_pause_s: float


class Outputs:
    """Times at which the output of each partition of each stage grew, in monotonic seconds."""

    def __init__(self, brokers: str, stages: Sequence[str]) -> None:
        self._seen: dict[tuple[str, int], list[float]] = defaultdict(list)
        self._brokers, self._stages = brokers, {OUTPUT[stage]: stage for stage in stages}

    async def watch(self) -> None:
        """Read until cancelled."""
        tps = [TopicPartition(topic, p) for topic in self._stages for p in range(PARTITIONS)]
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self._brokers, isolation_level="read_committed", fetch_max_wait_ms=20
        )
        async with consumer:
            consumer.assign(tps)
            await consumer.seek_to_end(*tps)
            while True:
                for tp in await consumer.getmany(timeout_ms=50):
                    self._seen[self._stages[tp.topic], tp.partition].append(time.monotonic())

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

    def longest_pause_s(self, stage: str, partitions: Sequence[int], since_s: float) -> float:
        """Return the longest time without growth of one of the partitions, from ``since_s`` until now."""
        now_s = time.monotonic()
        return max(
            later - earlier
            for p in partitions
            for earlier, later in itertools.pairwise(
                [since_s, *(s for s in self._seen[stage, p] if s > since_s), now_s]
            )
        )


class Pair:
    """Two workers of one stage."""

    def __init__(self, stage: str, settings: Settings, folder: Path) -> None:
        self.stage = stage
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
        """Wait until each worker works on half of the partitions; return them by port."""
        deadline = time.monotonic() + READY_S
        while time.monotonic() < deadline:
            found = {port: await partitions_of(http, port) for port in self._workers}
            if [len(owned) for owned in found.values()] == [PARTITIONS // 2] * 2:
                return found
            await asyncio.sleep(0.2)
        raise SystemExit(f"two workers of {self.stage} do not share: see {self._log}")

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


@contextlib.asynccontextmanager
async def in_background(*works: Any) -> AsyncIterator[None]:
    """Run coroutines until the block ends."""
    tasks = [asyncio.create_task(work) for work in works]
    try:
        yield
        for task in tasks:
            if task.done():
                task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


async def feed(brokers: str, keyed: Iterator[Keyed], per_s: float) -> None:
    """Publish ``keyed`` at a steady rate until cancelled."""
    async with AIOKafkaProducer(bootstrap_servers=brokers, linger_ms=5) as producer:
        began_s, sent = time.monotonic(), 0
        while True:
            due = int((time.monotonic() - began_s) * per_s)
            for key, value in itertools.islice(keyed, due - sent):
                await producer.send("task-events", value, key=key)
            sent = due
            await asyncio.sleep(FEED_EVERY_S)


async def caught_up(brokers: str, stages: Sequence[str], lag: float) -> None:
    """Wait until each stage is less than ``lag`` records behind."""
    deadline = time.monotonic() + READY_S
    while time.monotonic() < deadline:
        found = await overview(kafka=KafkaConnection(brokers), prefix="")
        if all(stage.lag < lag for stage in found if stage.name in stages):
            return
        await asyncio.sleep(1.0)
    raise SystemExit(f"the workers are not less than {lag:.0f} records behind")


async def run(options: argparse.Namespace, brokers: str, folder: Path) -> list[Kill]:
    await create_topics(KafkaConnection(brokers), partitions=PARTITIONS, replication=1)
    settings = Settings(
        brokers=brokers, data_dir=str(folder), session_timeout_s=options.session_timeout_s
    )
    create_key_file(Path(settings.key_file))
    filling = options.agents * EVENTS_AN_AGENT
    more = int(options.events_per_s * options.kills * READY_S)
    span_h = SPAN_H * (filling + more) / filling
    stream = encoded(events(filling + more, agents=options.agents, span_h=span_h))
    print(
        f"{filling:,} events of {options.agents:,} agents, then {options.events_per_s:,.0f} a second"
    )
    first = by_partition(itertools.islice(stream, filling), PARTITIONS)
    await fill(brokers, "task-events", first)
    pairs = [Pair(stage, settings, folder) for stage in options.stages]
    outputs = Outputs(brokers, options.stages)
    try:
        for pair in pairs:
            pair.begin()
            pair.begin()
        await caught_up(brokers, options.stages, options.events_per_s)
        works = (outputs.watch(), feed(brokers, stream, options.events_per_s))
        async with in_background(*works), aiohttp.ClientSession() as http:
            return [kill async for kill in kills(options, brokers, pairs, outputs, http)]
    finally:
        for pair in pairs:
            pair.end()
        if options.log:
            shutil.copytree(folder, options.log, ignore=shutil.ignore_patterns("kafka*"))


async def kills(
    options: argparse.Namespace,
    brokers: str,
    pairs: Sequence[Pair],
    outputs: Outputs,
    http: aiohttp.ClientSession,
) -> AsyncIterator[Kill]:
    """Kill one worker after the other, each when both share the partitions again."""
    draw = random.Random(options.seed)
    for number in range(options.kills):
        pair = pairs[number % len(pairs)]
        owned = await pair.shared(http)
        await caught_up(brokers, options.stages, options.events_per_s)
        await asyncio.sleep(draw.uniform(1.0, 4.0))
        port = draw.choice(sorted(owned))
        killed_s = pair.kill(port)
        if options.restart:
            pair.begin()
        gone_on_s = await outputs.all_grow(pair.stage, owned[port], killed_s + UNDER_WAY_S)
        if not options.restart:
            pair.begin()
        others = sorted(set(range(PARTITIONS)) - set(owned[port]))
        pause_s = outputs.longest_pause_s(pair.stage, others, killed_s)
        kill = Kill(
            pair.stage,
            owned[port],
            round(gone_on_s - killed_s, 2),
            others_pause_s=round(pause_s, 2),
        )
        print(
            f"  {kill.stage:<12}{kill.recovery_s:6.2f} s  partitions {owned[port]}"
            f"   the others paused {kill.others_pause_s:.2f} s",
            flush=True,
        )
        yield kill


def summary(found: Sequence[Kill], options: argparse.Namespace) -> dict[str, object]:
    """Run all kills; return the median and the longest time for each stage."""
    by_stage: dict[str, list[Kill]] = defaultdict(list)
    for kill in found:
        by_stage[kill.stage].append(kill)
    return {
        "session_timeout_s": options.session_timeout_s,
        "agents": options.agents,
        "events_per_s": options.events_per_s,
        "restarted_at_once": options.restart,
        "recovery_s": {
            stage: {
                "kills": len(kills),
                "median": round(statistics.median(kill.recovery_s for kill in kills), 2),
                "max": max(kill.recovery_s for kill in kills),
                "others_pause_max": max(kill.others_pause_s for kill in kills),
            }
            for stage, kills in by_stage.items()
        },
        "kills": [asdict(kill) for kill in found],
    }


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, epilog="example: python -m benchmarks.recovery --kills 20 --restart"
    )
    add = parser.add_argument
    add("--kills", type=int, default=10, help="how many (10)")
    add("--agents", type=int, default=10_000, help="in the state (10,000)")
    add("--events-per-s", type=float, default=1000.0, help="steady load (1,000)")
    add("--session-timeout-s", type=float, default=6.0, help="of the consumer groups (6)")
    add(
        "--stages",
        nargs="+",
        choices=OUTPUT,
        default=["features"],
        help="run two workers of each, killed by turns (features)",
    )
    add(
        "--restart",
        action="store_true",
        help="start a new worker as soon as one is killed, as a supervisor does; otherwise when"
        " its partitions have gone on",
    )
    add("--seed", type=int, default=1, help="of the instants (1)")
    add("--log", type=Path, help="leave the workers' logs in this folder")
    add("--out", type=Path, default=HERE / "results" / "recovery.json")
    return parser.parse_args()


def main() -> int:
    options = parse()
    end_in_order_at_sigterm()
    folder = Path(tempfile.mkdtemp(prefix="gnomon-bench-"))
    with EmbeddedBroker(data_dir=folder, progress=print) as broker:
        found = summary(asyncio.run(run(options, broker.brokers, folder)), options)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(found, indent=2) + "\n")
    shutil.rmtree(folder, ignore_errors=True)
    print(f"session timeout {options.session_timeout_s:.1f} s")
    print(json.dumps(found["recovery_s"], indent=2))
    print(options.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
