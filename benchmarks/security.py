"""Measures what TLS and a login cost: the rate of all four stages, and the delay of a prediction.

``python -m benchmarks.security`` runs two brokers, one that lets everyone in and one by SASL_SSL with
SCRAM-SHA-512, and measures on them by turns. The clients are an administrator, whose rights Kafka does
not look up. Only the ratios are meaningful: everything shares this machine. It prints the table of docs/security.md.
"""

import argparse
import asyncio
import sys
from contextlib import ExitStack
from pathlib import Path
from statistics import median

from benchmarks import latency
from benchmarks.harness.contenders import Bench, Input
from benchmarks.harness.folders import measuring_folder
from benchmarks.harness.report import ALL_STAGES
from benchmarks.harness.turns import by_turns
from benchmarks.harness.watching import end_in_order_at_sigterm

from gnomon.broker import EmbeddedBroker

PLAIN, SECURE = "plain", "SASL_SSL"


async def _rate(bench: Bench, events: int) -> float:
    """Return the events a second of all four stages together."""
    given = Input(events)
    await bench.stage(ALL_STAGES, given, await bench.fresh(given))
    return bench.runs[ALL_STAGES][-1].events_per_s


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=3, help="of each broker (3)")
    parser.add_argument("--events", type=int, default=300_000, help="for the rate (300,000)")
    parser.add_argument("--seconds", type=float, default=30.0, help="of the steady rate (30)")
    parser.add_argument("--per-s", type=int, default=500, help="tasks a second (500)")
    options = parser.parse_args()
    end_in_order_at_sigterm()
    with measuring_folder() as name, ExitStack() as running:
        folder = Path(name)
        benches = {}
        for kind in (PLAIN, SECURE):
            own = folder / kind
            own.mkdir()
            latency.register_model(own)
            broker = EmbeddedBroker(
                data_dir=own, heap_mb=1024, long_running=True, secure=kind == SECURE
            )
            benches[kind] = Bench(running.enter_context(broker), own)
        rates: dict[str, list[float]] = {kind: [] for kind in benches}
        p50: dict[str, list[float]] = {kind: [] for kind in benches}
        p99: dict[str, list[float]] = {kind: [] for kind in benches}
        for kind in by_turns((PLAIN, SECURE), options.turns):
            print(kind, flush=True)
            rates[kind].append(asyncio.run(_rate(benches[kind], options.events)))
            found = asyncio.run(
                latency.measure(
                    benches[kind],
                    seconds=options.seconds,
                    warm_up_s=latency.AGAIN_S,
                    per_s=options.per_s,
                )
            )
            print(f"  {latency.line(found)}", flush=True)
            p50[kind].append(found["p50"])
            p99[kind].append(found["p99"])
    print(f"| median of {options.turns} turns | {PLAIN} | {SECURE} | ratio |\n|---|---|---|---|")
    for what, by_kind in (("events/s", rates), ("p50, ms", p50), ("p99, ms", p99)):
        plain, secure = median(by_kind[PLAIN]), median(by_kind[SECURE])
        print(f"| {what} | {plain:,.1f} | {secure:,.1f} | {secure / plain:.2f} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
