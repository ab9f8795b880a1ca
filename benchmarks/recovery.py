"""Measures how soon partitions continue after one of several workers is killed (SIGKILL).

``python -m benchmarks.recovery`` uses a real broker, a state of 10,000 agents in the features stage,
a steady load, and two workers or more, one of which is killed at random times, again and again. The
result is the time from the kill until new output can be read (``read_committed``) from every partition
of the killed worker, and how long the other partitions paused. Kafka notices a killed worker only when
its session times out, so what must be reached depends on the session timeout and is printed beside it.
Each result is printed and written to ``benchmarks/results/recovery.json``.
"""

import argparse
import asyncio
import contextlib
import itertools
import json
import random
import shutil
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import aiohttp
from aiokafka import AIOKafkaProducer
from benchmarks.harness.stream import Event, by_partition, encoded, events, fill, partition_of
from benchmarks.harness.teams import OUTPUT, READY_S, Outputs, Team
from benchmarks.harness.watching import end_in_order_at_sigterm

from gnomon.broker import EmbeddedBroker
from gnomon.codec import encode
from gnomon.connection import KafkaConnection
from gnomon.operations.lag import overview
from gnomon.operations.topics_admin import create_topics
from gnomon.settings import Settings
from gnomon.vault import create_key_file

HERE = Path(__file__).parent
PARTITIONS, WORKERS = 4, 2
EVENTS_AN_AGENT = 40
SPAN_H = 1.0
UNDER_WAY_S = 0.5
"""Output that was committed just before a kill may be read until this long after it."""
FEED_EVERY_S = 0.02
MUST_S, GOAL_S = (2.0, 0.5), (1.0, 0.1)
"""Seconds beyond the session timeout until all partitions continue, and the longest pause of the others."""


@dataclass(frozen=True, slots=True)
class Kill:
    """One kill, and the seconds until all partitions of the killed worker continued.

    ``others_pause_s`` is the longest time for which a partition of another worker had input and gave no
    output.
    """

    stage: str
    partitions: Sequence[int]
    recovery_s: float
    others_pause_s: float


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


async def feed(
    brokers: str, stream: Iterator[Event], per_s: float, outputs: Outputs, partitions: int
) -> None:
    """Publish ``stream`` at a steady rate until cancelled, and tell ``outputs`` when."""
    async with AIOKafkaProducer(bootstrap_servers=brokers, linger_ms=5) as producer:
        began_s, sent = time.monotonic(), 0
        while True:
            due = int((time.monotonic() - began_s) * per_s)
            for event in itertools.islice(stream, due - sent):
                key = event.agent_id.encode()
                number = partition_of(key, partitions)
                outputs.sent(event, number, at_s=time.monotonic())
                await producer.send("task-events", encode(event), key=key, partition=number)
            sent = due
            await asyncio.sleep(FEED_EVERY_S)


async def caught_up(brokers: str, stages: Sequence[str], lag: float, *, prefix: str = "") -> None:
    """Wait until each stage is less than ``lag`` records behind."""
    deadline = time.monotonic() + READY_S
    while time.monotonic() < deadline:
        found = await overview(kafka=KafkaConnection(brokers), prefix=prefix)
        if all(stage.lag < lag for stage in found if stage.name in stages):
            return
        await asyncio.sleep(1.0)
    raise SystemExit(f"the workers are not less than {lag:.0f} records behind")


async def run(options: argparse.Namespace, brokers: str, folder: Path) -> list[Kill]:
    partitions = options.partitions
    await create_topics(KafkaConnection(brokers), partitions=partitions, replication=1)
    settings = Settings(
        brokers=brokers, data_dir=str(folder), session_timeout_s=options.session_timeout_s
    )
    create_key_file(Path(settings.key_file))
    filling = options.agents * EVENTS_AN_AGENT
    more = int(options.events_per_s * options.kills * READY_S)
    span_h = SPAN_H * (filling + more) / filling
    stream = events(filling + more, agents=options.agents, span_h=span_h)
    print(
        f"{filling:,} events of {options.agents:,} agents, then {options.events_per_s:,.0f} a second"
    )
    first = by_partition(encoded(itertools.islice(stream, filling)), partitions)
    await fill(KafkaConnection(brokers), "task-events", first)
    teams = [Team(stage, settings, folder, partitions=partitions) for stage in options.stages]
    outputs = Outputs(brokers, options.stages, partitions)
    try:
        for team in teams:
            for _ in range(options.workers):
                team.begin()
        await caught_up(brokers, options.stages, options.events_per_s)
        feeding = feed(brokers, stream, options.events_per_s, outputs, partitions)
        works = (outputs.watch(), feeding)
        async with in_background(*works), aiohttp.ClientSession() as http:
            return [kill async for kill in kills(options, brokers, teams, outputs, http)]
    finally:
        for team in teams:
            team.end()
        if options.log:
            shutil.copytree(folder, options.log, ignore=shutil.ignore_patterns("kafka*"))


async def kills(
    options: argparse.Namespace,
    brokers: str,
    teams: Sequence[Team],
    outputs: Outputs,
    http: aiohttp.ClientSession,
) -> AsyncIterator[Kill]:
    """Kill one worker after the other, each when all share the partitions again."""
    draw = random.Random(options.seed)
    for number in range(options.kills):
        team = teams[number % len(teams)]
        owned = await team.shared(http)
        await caught_up(brokers, options.stages, options.events_per_s)
        await asyncio.sleep(draw.uniform(1.0, 4.0))
        port = draw.choice(sorted(owned))
        killed_s = team.kill(port)
        if options.restart:
            team.begin()
        gone_on_s = await outputs.all_grow(team.stage, owned[port], killed_s + UNDER_WAY_S)
        if not options.restart:
            team.begin()
        others = sorted(set(range(options.partitions)) - set(owned[port]))
        pause_s = outputs.longest_pause_s(team.stage, others, killed_s, time.monotonic())
        kill = Kill(
            team.stage,
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
    """Return the median and the longest time for each stage."""
    by_stage: dict[str, list[Kill]] = defaultdict(list)
    for kill in found:
        by_stage[kill.stage].append(kill)
    return {
        "session_timeout_s": options.session_timeout_s,
        "partitions": options.partitions,
        "workers": options.workers,
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
        description=__doc__,
        epilog="example: python -m benchmarks.recovery --partitions 32 --workers 3",
    )
    add = parser.add_argument
    add("--kills", type=int, default=10, help="how many (10)")
    add("--partitions", type=int, default=PARTITIONS, help=f"of each topic ({PARTITIONS})")
    add("--workers", type=int, default=WORKERS, help=f"of each stage ({WORKERS})")
    add("--agents", type=int, default=10_000, help="in the state (10,000)")
    add("--events-per-s", type=float, default=1000.0, help="steady load (1,000)")
    add("--session-timeout-s", type=float, default=6.0, help="of the consumer groups (6)")
    add(
        "--stages",
        nargs="+",
        choices=OUTPUT,
        default=["features"],
        help="run workers of each, killed by turns (features)",
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
    print(json.dumps(found["recovery_s"], indent=2))
    for word, (beyond_s, pause_s) in (("must", MUST_S), ("goal", GOAL_S)):
        until_s = options.session_timeout_s + beyond_s
        print(
            f"{word}: all go on within {until_s:.1f} s of a kill, the others pause {pause_s:.1f} s"
        )
    print(options.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
