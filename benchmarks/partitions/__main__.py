"""Measures what the number of partitions costs, numbers of partitions by turns.

``python -m benchmarks.partitions`` prints, for each number of partitions, the time from a start to its
readable prediction at a steady rate with one worker a stage, and what broker and workers use meanwhile;
then the rate of all four stages at 32 partitions to that at 2, and of features alone at 32 to that at 4.
The tables are also written to ``benchmarks/results/partitions.json``, with each measurement.
"""

import argparse
import asyncio
import json
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks import latency
from benchmarks.harness.contenders import Bench, Input
from benchmarks.harness.folders import measuring_folder
from benchmarks.harness.report import ALL_STAGES, FEATURES, Run, contenders, targets_table
from benchmarks.harness.turns import by_turns
from benchmarks.harness.watching import end_in_order_at_sigterm
from benchmarks.partitions import figures
from benchmarks.partitions.figures import FEW_OF, MANY, Delays

from gnomon.broker import EmbeddedBroker

RESULTS = Path(__file__).parents[1] / "results"
PARTITIONS = (2, 4, MANY, 96)
PARTS = ("delay", "all", FEATURES)
RATE_OF = {"all": ALL_STAGES, FEATURES: FEATURES}
EVENTS = {ALL_STAGES: 600_000, FEATURES: 4_000_000}
"""Enough for ten seconds and more between 10 % and 100 % of the output."""
QUICK_EVENTS = 40_000


async def delays(bench: Bench, options: argparse.Namespace) -> Delays:
    """Measure the way to a prediction with each number of partitions."""
    found: dict[int, list[dict[str, float]]] = defaultdict(list)
    for number, count in enumerate(by_turns(options.partitions, options.turns)):
        warm_up_s = min(options.warm_up, latency.AGAIN_S) if number else options.warm_up
        one = await latency.measure(
            bench,
            seconds=options.seconds,
            per_s=options.per_s,
            warm_up_s=warm_up_s,
            partitions=count,
            with_usage=True,
        )
        found[count].append(one)
        print(f"  {count:>3} partitions: {latency.line(one)}", flush=True)
    return found


async def rates(bench: Bench, name: str, counts: Sequence[int], turns: int, events: int) -> None:
    """Measure a stage, or all, over the same events in topics of each of ``counts`` partitions."""
    inputs = {count: Input(events, partitions=count) for count in counts}
    for count in by_turns(counts, turns):
        prefix = await bench.fresh(inputs[count])
        await bench.stage(name, inputs[count], prefix, label=figures.name_of(name, count))


async def all_rates(bench: Bench, options: argparse.Namespace) -> None:
    """Measure those rates that were asked for."""
    for part, name in RATE_OF.items():
        counts = [count for count in (MANY, FEW_OF[name]) if count in options.partitions]
        if part in options.only and len(counts) > 1:
            events = QUICK_EVENTS if options.quick else EVENTS[name]
            await rates(bench, name, counts, options.turns, events)


@contextmanager
def broker(options: argparse.Namespace, *, on_disk: bool) -> Iterator[Bench]:
    """Run a broker of its own, with a model for the shadow stage."""
    with measuring_folder(on_disk=on_disk) as name:
        folder = Path(name)
        if {"delay", "all"} & set(options.only):
            latency.register_model(folder)
        with EmbeddedBroker(
            data_dir=folder, progress=print, heap_mb=1024, long_running=True
        ) as running:
            yield Bench(running, folder)


def measure(options: argparse.Namespace) -> dict[str, object]:
    """Measure all that was asked for, print the tables, and return the content of the results file."""
    taken: Delays = {}
    runs: dict[str, list[Run]] = {}
    if "delay" in options.only:
        with broker(options, on_disk=options.disk) as bench:
            taken = asyncio.run(delays(bench, options))
        print("", *figures.usage_tables(taken), "", sep="\n", flush=True)
    if set(RATE_OF) & set(options.only):
        with broker(options, on_disk=True) as bench:  # the topics take gigabytes
            asyncio.run(all_rates(bench, options))
            runs = bench.runs
    found = {} if options.quick else figures.found(taken, runs, seconds=options.seconds)
    if options.quick:
        print("\nA quick run shows that everything works; nothing is compared.")
    else:
        print("", *targets_table(found, figures.TARGETS), sep="\n")
        print(*figures.remarks(taken, runs, seconds=options.seconds), sep="\n")
    return {
        "tasks_per_s": options.per_s,
        "seconds": options.seconds,
        "delays": taken,
        "rates": contenders(runs),
        "figures": found,
    }


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, epilog="example: python -m benchmarks.partitions --partitions 2 4 32"
    )
    add = parser.add_argument
    shown = " ".join(map(str, PARTITIONS))
    add("--partitions", type=int, nargs="+", default=PARTITIONS, help=f"of each topic ({shown})")
    add("--only", nargs="+", choices=PARTS, default=PARTS, help="parts to measure")
    add("--turns", type=int, help="of each number of partitions (2; with --quick 1)")
    add("--seconds", type=float, help="of the steady rate, after the warm-up (30; 3)")
    add(
        "--warm-up", type=float, help="seconds before the first; later ones take 10 at most (60; 3)"
    )
    add("--per-s", type=int, default=latency.TASKS_PER_S, help="tasks a second (1,000)")
    add("--disk", action="store_true", help="keep Kafka's files on disk, not in memory")
    add("--quick", action="store_true", help="try everything in a few minutes, compare nothing")
    add("--out", type=Path, default=RESULTS / "partitions.json")
    options = parser.parse_args()
    usual = (1, 3.0, 3.0) if options.quick else (2, 30.0, latency.WARM_UP_S)
    for name, value in zip(("turns", "seconds", "warm_up"), usual, strict=True):
        if getattr(options, name) is None:
            setattr(options, name, value)
    return options


def main() -> int:
    options = parse()
    end_in_order_at_sigterm()
    began_s = time.monotonic()
    results = measure(options)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    print(f"{options.out}  ({time.monotonic() - began_s:.0f} s)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
