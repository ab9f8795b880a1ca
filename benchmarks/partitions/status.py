"""Measures whether what shows the state of an installation is slower with many partitions than with few.

``python -m benchmarks.partitions.status`` runs all four workers over the same tasks twice, in topics of 4 and
of 100 partitions, and leaves them running. Then it times, by turns, ``gnomon status`` (a process of its own,
with the start of Python) and each worker's ``/status``, and prints the medians in seconds.
"""

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from statistics import median

from benchmarks import latency
from benchmarks.harness.contenders import Bench, Input
from benchmarks.harness.ports import free_ports
from benchmarks.harness.turns import by_turns
from benchmarks.harness.watching import end, end_in_order_at_sigterm, start
from benchmarks.recovery import caught_up

from gnomon.broker import EmbeddedBroker
from gnomon.stages import STAGES
from gnomon.text_table import aligned

PARTITIONS = (4, 100)
COMMAND = "gnomon status"


@asynccontextmanager
async def running(bench: Bench, partitions: int, events: int) -> AsyncIterator[tuple[str, int]]:
    """Run all four workers until they have done everything; yields their prefix and first port."""
    given = Input(events, partitions=partitions)
    prefix = await bench.fresh(given)
    port, log = free_ports(len(STAGES)), bench.folder / f"status-{partitions}.log"
    argv = [sys.executable, "-m", "gnomon", "worker", "--port", str(port)]
    workers = start(argv, bench.settings(prefix), log)
    try:
        await latency.ready(workers, range(port, port + len(STAGES)), log)
        await caught_up(bench.kafka.brokers, STAGES, lag=1.0, prefix=prefix)
        yield prefix, port
    finally:
        end(workers)


def took_s(work: Callable[[], object]) -> float:
    """Return how many seconds a call takes."""
    began_s = time.perf_counter()
    work()
    return time.perf_counter() - began_s


def _command(settings: Mapping[str, str]) -> object:
    argv = [sys.executable, "-m", "gnomon", "status", "--json"]
    return subprocess.run(argv, env={**os.environ, **settings}, check=True, capture_output=True)


def _read(url: str) -> object:
    with urllib.request.urlopen(url, timeout=30.0) as answer:
        return answer.read()


async def measure(
    bench: Bench, counts: Sequence[int], *, events: int, repeats: int
) -> Mapping[tuple[str, int], Sequence[float]]:
    """Return the seconds of each call, by what was called and the number of partitions."""
    found: dict[tuple[str, int], list[float]] = defaultdict(list)
    async with AsyncExitStack() as workers:
        places = {}
        for count in counts:
            print(f"  {count} partitions: {events:,} events", flush=True)
            places[count] = await workers.enter_async_context(running(bench, count, events))
        for number, count in enumerate(by_turns(counts, repeats + 1)):
            prefix, port = places[count]
            for name, call in calls_of(bench.settings(prefix), port).items():
                seconds = await asyncio.to_thread(took_s, call)
                if number >= len(counts):  # the first turn fills caches
                    found[name, count].append(seconds)
    return found


def calls_of(settings: Mapping[str, str], first_port: int) -> Mapping[str, Callable[[], object]]:
    """Return what is timed, by name."""
    by_stage = {
        f"/status of {stage}": partial(_read, f"http://127.0.0.1:{first_port + number}/status")
        for number, stage in enumerate(STAGES)
    }
    return {COMMAND: partial(_command, settings), **by_stage}


def table(found: Mapping[tuple[str, int], Sequence[float]], counts: Sequence[int]) -> str:
    """Return a line for each thing that was called."""
    rows = [["seconds, median (longest)", *(f"{count} partitions" for count in counts)]]
    for name in dict.fromkeys(name for name, _ in found):
        taken = [found[name, count] for count in counts]
        rows.append([name, *(f"{median(each):.4f} ({max(each):.4f})" for each in taken)])
    return aligned(rows)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="example: python -m benchmarks.partitions.status --partitions 4 100 --repeats 20",
    )
    add = parser.add_argument
    add("--partitions", type=int, nargs="+", default=PARTITIONS, help="to compare (4 100)")
    add("--events", type=int, default=50_000, help="in each (50,000)")
    add("--repeats", type=int, default=10, help="of each call, by turns (10)")
    options = parser.parse_args()
    end_in_order_at_sigterm()
    with tempfile.TemporaryDirectory(prefix="gnomon-bench-") as name:
        folder = Path(name)
        latency.register_model(folder)
        with EmbeddedBroker(data_dir=folder, progress=print, heap_mb=1024) as broker:
            work = measure(
                Bench(broker, folder),
                options.partitions,
                events=options.events,
                repeats=options.repeats,
            )
            found = asyncio.run(work)
    print(table(found, options.partitions))
    print("It must take no longer with more partitions.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
