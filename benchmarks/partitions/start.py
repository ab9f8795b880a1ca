"""Measures how soon a worker with many partitions and agents is ready when it starts from snapshots.

``python -m benchmarks.partitions.start`` lets a features worker fold 20 finished tasks of each agent, waits
until every partition has a snapshot of all of them, and stops it. Then it starts the worker again and again,
and prints the seconds from the start of the process until ``/readyz`` says yes. The worker's log tells how
many records it read instead of taking them from a snapshot.
"""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.growth import hour
from benchmarks.harness.contenders import Bench
from benchmarks.harness.stream import Keyed, by_partition, encoded, fill
from benchmarks.harness.watching import end_in_order_at_sigterm
from benchmarks.memory import FINISHES, PATIENCE_S, Worker

from gnomon.broker import EmbeddedBroker
from gnomon.settings import Settings
from gnomon.topics import group_of

MUST_S, GOAL_S = 10.0, 5.0
ENV = {"GNOMON_LOG_FORMAT": "json"}

Parts = Mapping[int, Sequence[Keyed]]


async def saved(folder: Path, parts: Parts) -> None:
    """Wait until each partition has a snapshot of all its records.

    Raises:
        RuntimeError: It took too long.
    """
    until_s = time.monotonic() + PATIENCE_S
    # The name of a snapshot is the sum of its offsets, here that of one topic.
    waiting = {p: folder / str(p) / f"{len(part):020d}.snapshot" for p, part in parts.items()}
    while waiting := {p: path for p, path in waiting.items() if not path.exists()}:
        if time.monotonic() > until_s:
            raise RuntimeError(f"no snapshot of the whole state: partitions {sorted(waiting)}")
        await asyncio.sleep(0.2)


async def measure(bench: Bench, *, agents: int, partitions: int, turns: int) -> list[float]:
    """Make the state once, and start from it ``turns`` times; return the seconds of each."""
    prefix = await bench.fresh(partitions=partitions)
    parts = by_partition(encoded(hour(agents, FINISHES)), partitions)
    await fill(bench.kafka, f"{prefix}task-events", parts)
    own = Settings(data_dir=bench.settings(prefix)["GNOMON_DATA_DIR"])
    folder = own.state_folder() / group_of("features", prefix)
    parts = {number: part for number, part in parts.items() if part}
    with Worker(bench, prefix, env=ENV, partitions=partitions) as making:
        print(f"  from the log: not before {await making.ready():6.2f} s", flush=True)
        await making.folded(agents * FINISHES)
        await saved(folder, parts)
    seconds = []
    for _ in range(turns):
        known = making.log.stat().st_size
        with Worker(bench, prefix, env=ENV, partitions=partitions) as again:
            seconds.append(await again.ready())
            await again.folded(agents * FINISHES)
        print(f"  ready after {seconds[-1]:6.2f} s; {folded(again.log, known):,} records read anew")
    return seconds


def folded(log: Path, since: int) -> int:
    """Return how many records the recoveries took from the log of the topic, by a log from byte ``since``."""
    with log.open("rb") as file:
        file.seek(since)
        lines = [json.loads(line) for line in file if line.startswith(b"{")]
    done = [line for line in lines if line.get("event") == "recovery.done"]
    return sum(int(line["records_folded"]) for line in done)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="example: python -m benchmarks.partitions.start --partitions 32 --agents 100000",
    )
    parser.add_argument("--partitions", type=int, default=32, help="of each topic (32)")
    parser.add_argument("--agents", type=int, default=100_000, help="in the state (100,000)")
    parser.add_argument("--turns", type=int, default=3, help="starts from the snapshots (3)")
    options = parser.parse_args()
    end_in_order_at_sigterm()
    with tempfile.TemporaryDirectory(prefix="gnomon-bench-") as name:
        folder = Path(name)
        with EmbeddedBroker(data_dir=folder, progress=print, heap_mb=1024) as broker:
            seconds = asyncio.run(
                measure(
                    Bench(broker, folder),
                    agents=options.agents,
                    partitions=options.partitions,
                    turns=options.turns,
                )
            )
    print(
        f"start to ready, {options.partitions} partitions, {options.agents:,} agents:"
        f" {min(seconds):.2f}-{max(seconds):.2f} s; must {MUST_S:.0f} s, goal {GOAL_S:.0f} s"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
