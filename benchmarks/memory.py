"""Measures the memory of the features stage, and the cost of an event, as agents and windows grow.

``python -m benchmarks.memory`` starts a real features worker over a topic in which each of N agents
has 20 finished tasks of the last hour. It reads the worker's resident memory when everything is
folded, when a snapshot is written, and in a second process that starts from that snapshot.
``growth.py`` adds, without Kafka, the bytes of a task in the window and the processor time of an
event.
"""

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.growth import hour
from benchmarks.harness.contenders import PARTITIONS, Bench, tail
from benchmarks.harness.ports import answers, free_ports
from benchmarks.harness.stream import by_partition, encoded, fill
from benchmarks.harness.watching import end, end_in_order_at_sigterm, resident_mb, start

from gnomon.broker import EmbeddedBroker

SIZES = (1_000, 10_000, 100_000)
"""Numbers of agents."""
FINISHES = 20
"""Finished tasks of each agent in the hour."""
WINDOWS = (20, 200, 2_000)
"""Finished tasks in the hour of each of ``WINDOW_AGENTS`` agents."""
WINDOW_AGENTS = 50
ACTIVE = 1_000
"""Number of agents whose events are measured, beside all known agents."""
PATIENCE_S = 240.0


class Worker:
    """One worker process of the features stage. Context manager."""

    def __init__(
        self,
        bench: Bench,
        prefix: str,
        *,
        env: Mapping[str, str],
        partitions: int = PARTITIONS,
    ) -> None:
        self._partitions = partitions
        self._url = f"http://127.0.0.1:{(port := free_ports(1))}"
        self._log = bench.folder / "memory.log"
        self._began_s = time.monotonic()
        argv = [sys.executable, "-m", "gnomon", "worker", "features", "--port", str(port)]
        self._process = start(
            argv,
            {**bench.settings(prefix), "GNOMON_SNAPSHOT_EVERY_S": "2", **env},
            self._log,
        )

    def __enter__(self) -> "Worker":
        return self

    def __exit__(self, *_: object) -> None:
        end(self._process, patience_s=60.0)

    @property
    def log(self) -> Path:
        """Return the file with its output, to which earlier workers of the same folder have written too."""
        return self._log

    @property
    def resident_mb(self) -> float:
        """Return the present resident memory, in 10^6 bytes."""
        return resident_mb(self._process.pid)

    @property
    def peak_mb(self) -> float:
        """Return the largest resident memory, in 10^6 bytes."""
        return resident_mb(self._process.pid, peak=True)

    async def folded(self, records: int) -> None:
        """Wait until the offsets of all partitions add up to ``records``.

        Raises:
            RuntimeError: It took too long.
        """
        until_s = time.monotonic() + PATIENCE_S
        while (found := await asyncio.to_thread(self._offsets)) < records:
            if time.monotonic() > until_s:
                raise RuntimeError(f"{found} of {records} folded; last lines:\n{tail(self._log)}")
            await asyncio.sleep(0.2)

    async def ready(self) -> float:
        """Wait until the worker is ready; return the seconds since its process was started.

        Raises:
            RuntimeError: It took too long, or the process has ended.
        """
        while not await asyncio.to_thread(answers, f"{self._url}/readyz"):
            passed_s = time.monotonic() - self._began_s
            if passed_s > PATIENCE_S or self._process.poll() is not None:
                raise RuntimeError(f"not ready after {passed_s:.0f} s:\n{tail(self._log)}")
            await asyncio.sleep(0.02)
        return time.monotonic() - self._began_s

    async def settled(self) -> float:
        """Return the resident memory once it is stable and a snapshot has been written."""
        seen: list[float] = []
        while len(seen) < 6 or (max(seen[-6:]) - min(seen[-6:]) > 2.0 and len(seen) < 60):
            await asyncio.sleep(1.0)
            seen.append(self.resident_mb)
        return seen[-1]

    def _offsets(self) -> int:
        if not answers(f"{self._url}/readyz"):
            return -1
        with urllib.request.urlopen(f"{self._url}/status", timeout=5.0) as answer:
            partitions: Mapping[str, Any] = json.load(answer)["partitions"]
        if len(partitions) < self._partitions:
            return -1
        return sum(sum(p["offsets"].values()) for p in partitions.values())


@dataclass(frozen=True, slots=True)
class Resident:
    """Resident memory of a features worker, in 10^6 bytes.

    Attributes:
        folded: When every event was folded.
        peak: Largest value until a snapshot was written.
        settled: After the snapshot.
        restored: Of a process that started from the snapshot.
        restored_peak: Largest value of that process.
    """

    agents: int
    folded: float
    settled: float
    peak: float
    restored: float
    restored_peak: float


async def resident(bench: Bench, agents: int, *, env: Mapping[str, str] | None = None) -> Resident:
    """Measure a worker that reads from the beginning, and one that starts from a snapshot."""
    prefix = await bench.fresh()
    parts = by_partition(encoded(hour(agents, FINISHES)), PARTITIONS)
    await fill(bench.kafka, f"{prefix}task-events", parts)
    count = agents * FINISHES
    del parts
    with Worker(bench, prefix, env=env or {}) as reading:
        await reading.folded(count)
        folded = reading.resident_mb
        settled, peak = await reading.settled(), reading.peak_mb
    with Worker(bench, prefix, env=env or {}) as restored:
        await restored.folded(count)
        after, highest = await restored.settled(), restored.peak_mb
    return Resident(agents, folded, settled, peak, after, highest)


def alone(*arguments: object) -> float:
    """Run ``growth.py`` in a process of its own and return its result."""
    argv = [sys.executable, "-m", "benchmarks.growth", *map(str, arguments)]
    done = subprocess.run(argv, check=True, stdout=subprocess.PIPE, text=True)
    return float(done.stdout)


def _cases(sizes: Sequence[int]) -> Iterator[tuple[int, int, int]]:
    """Numbers of agents, finished tasks of each in the hour, and agents of the measured events."""
    yield from ((agents, FINISHES, ACTIVE) for agents in sizes)
    yield from ((agents, FINISHES, agents) for agents in sizes[1:])
    yield from ((WINDOW_AGENTS, finishes, WINDOW_AGENTS) for finishes in WINDOWS)


async def measure(bench: Bench, *, sizes: Sequence[int] = SIZES) -> dict[str, Any]:
    """Run all measurements and print a line for each."""
    found: dict[str, Any] = {"bytes_a_task": alone("bytes", 2_000)}
    print(f"  a task in the window takes {found['bytes_a_task']:.0f} bytes", flush=True)
    costs = found["event_us"] = []
    for agents, finishes, active in _cases(sizes) if len(sizes) > 1 else ():
        cost_us = alone("cost", agents, finishes, active)
        costs.append([agents, finishes, active, round(cost_us, 2)])
        print(
            f"  {cost_us:5.2f} us an event of {active:,} of {agents:,} agents with"
            f" {finishes:,} finishes in the hour",
            flush=True,
        )
    workers = []
    for agents in sizes:
        worker = await resident(bench, agents)
        workers.append(asdict(worker))
        print(f"  {worker}", flush=True)
    return {**found, "resident_mb": workers}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--agents", type=int, action="append", help="repeatable")
    parser.add_argument("--set", action="append", default=[], help="NAME=VALUE for the worker")
    options = parser.parse_args()
    end_in_order_at_sigterm()
    env = dict(pair.split("=", 1) for pair in options.set)
    with tempfile.TemporaryDirectory(prefix="gnomon-bench-") as name:
        folder = Path(name)
        with EmbeddedBroker(data_dir=folder, progress=print, heap_mb=1024) as broker:
            bench = Bench(broker, folder)
            if options.agents is None:
                asyncio.run(measure(bench))
            for agents in options.agents or ():
                print(asyncio.run(resident(bench, agents, env=env)), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
