"""Measures the throughput of gnomon beside other engines and the floor, in one run on this machine.

``make bench`` fills topics with task events, runs each engine alone on one of them, by turns and
repeatedly, prints a table, and writes ``benchmarks/results/engine.json``. Only ratios are meaningful,
because the broker shares the machine.

Every engine does the same work: it computes the features of each agent exactly and writes a vector
for each start. ``floor`` reads, decodes, encodes and writes as much, and computes nothing. Other
engines read fewer events with an equally full hour, but enough that start-up does not count.
"""

import argparse
import asyncio
import json
import shutil
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

from benchmarks import latency, memory
from benchmarks.harness import report
from benchmarks.harness.contenders import Bench, Input
from benchmarks.harness.peers import HOUR_ONLY, PEERS, installed
from benchmarks.harness.report import ALL_STAGES, FEATURES, FLOOR
from benchmarks.harness.watching import end_in_order_at_sigterm

from gnomon.broker import EmbeddedBroker

RESULTS = Path(__file__).parent / "results"
OTHER_STAGES = ("shadow", "comparison", "vault")
NAMES = tuple(peer.name for peer in (*PEERS, *HOUR_ONLY))
EVENTS, QUICK_EVENTS = 1_000_000, 100_000


async def contend(bench: Bench, options: argparse.Namespace) -> None:
    """Run every engine by turns."""
    given = Input(options.events)
    only = set(options.only) or {FLOOR, FEATURES, *OTHER_STAGES, ALL_STAGES, *NAMES}
    every = PEERS if options.quick else (*PEERS, *HOUR_ONLY)
    peers = [p for p in every if p.name in only and (installed(p) or not options.quick)]
    inputs = {p.name: Input(p.events // (8 if options.quick else 1)) for p in peers}
    sources = {p.name: await bench.fresh(inputs[p.name]) for p in peers}
    for turn in range(options.turns):
        print(f"turn {turn + 1} of {options.turns}", flush=True)
        prefix = await bench.fresh(given)
        if FLOOR in only:
            await bench.floor(given, prefix)
        if FEATURES in only:
            await bench.stage(FEATURES, given, prefix)
        if options.quick and turn:
            continue
        for peer in peers:
            await bench.peer(peer, inputs[peer.name], sources[peer.name])
        for stage in OTHER_STAGES:
            if stage in only:
                await bench.stage(stage, given, prefix)
        if ALL_STAGES in only:
            await bench.stage(ALL_STAGES, given, await bench.fresh(given))


def measure(options: argparse.Namespace, broker: EmbeddedBroker, folder: Path) -> dict[str, object]:
    """Run all measurements; return the content of the results file."""
    bench = Bench(broker, folder)
    latency.register_model(folder)
    found: dict[str, float] = {}
    more: dict[str, object] = {}
    try:
        asyncio.run(contend(bench, options))
        if not options.only_speed:
            warm_up_s, seconds = (3.0, 8.0) if options.quick else (30.0, 30.0)
            delays = asyncio.run(latency.measure(bench, seconds=seconds, warm_up_s=warm_up_s))
            more["latency_ms"] = delays
            found["latency_p99_ms"] = delays["p99"]
            print(f"  {latency.line(delays)}", flush=True)
            sizes = memory.SIZES[1:2] if options.quick else memory.SIZES
            kept = more["memory"] = asyncio.run(memory.measure(bench, sizes=sizes))
            for held in kept["resident_mb"]:
                if held["agents"] == memory.SIZES[-1]:
                    found["features_resident_mb"] = held["settled"]
    finally:
        found |= report.figures(bench.runs)
        print("", *report.contenders_table(bench.runs, bench.skipped), sep="\n")
    print("", *report.targets_table(found), sep="\n")
    return {
        "events": options.events,
        "contenders": report.contenders(bench.runs),
        "skipped": bench.skipped,
        **{name: round(value, 3) for name, value in found.items()},
        **more,
        "targets": [asdict(target) for target in report.TARGETS],
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, epilog="example: make bench QUICK=1")
    parser.add_argument("--events", type=int, help=f"{EVENTS:,}; with --quick {QUICK_EVENTS:,}")
    parser.add_argument("--turns", type=int, help="of each contender (3; with --quick 1)")
    parser.add_argument("--quick", action="store_true", help="under three minutes")
    parser.add_argument("--only-speed", action="store_true", help="neither latency nor memory")
    parser.add_argument("--only", action="append", default=[], help="a contender; repeatable")
    parser.add_argument("--out", type=Path, default=RESULTS / "engine.json")
    options = parser.parse_args()
    options.events = options.events or (QUICK_EVENTS if options.quick else EVENTS)
    options.turns = options.turns or (1 if options.quick else 3)
    end_in_order_at_sigterm()
    folder = Path(tempfile.mkdtemp(prefix="gnomon-bench-"))
    began_s = time.monotonic()
    try:
        broker = EmbeddedBroker(
            data_dir=folder, progress=print, heap_mb=1024, long_running=not options.quick
        )
        with broker:
            results = measure(options, broker, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    print(f"{options.out}  ({time.monotonic() - began_s:.0f} s)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
