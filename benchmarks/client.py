"""What a call of the client costs an agent, beside an empty call and beside others' calls.

``python -m benchmarks.client [--quick]``: every row is a process of its own that does its call and
an empty call by turns: paced (one call a wake-up, 2,000/s: an agent's caches are cold) and unpaced,
then steadily at 5,000/s for processor time and memory. With a real broker that is up, stopped
(SIGSTOP: connections stay open and nothing answers) or refuses; the peers' backends refuse. Writes
``benchmarks/results/client.json``. Ratios are to the empty call of the same process.
"""

import argparse
import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.peers import JOBS, Peer, UnavailableError, command
from benchmarks.ports import free_ports

from gnomon.broker import EmbeddedBroker
from gnomon.broker.topics_admin import create_topics

RESULTS = Path(__file__).parent / "results"
CALLS, QUICK_CALLS = 40_000, 4_000
UP, REFUSED, STOPPED = "up", "refused", "stopped"
JOB = str(JOBS / "call_cost.py")
MOST_TIMES_EMPTY, GOAL_TIMES_EMPTY, TIMES_CHEAPER = 12.0, 8.0, 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One kind of call in one state of what is behind it."""

    name: str
    target: str
    backend: str = "-"
    packages: Sequence[str] = ()

    @property
    def label(self) -> str:
        return f"{self.name}, {self.backend}" if self.backend != "-" else self.name


OURS = tuple(
    Row(name=name, target=target, backend=backend)
    for name, target in (
        ("gnomon emit", "gnomon_emit"),
        ("gnomon with task", "gnomon_task"),
        ("... with context and set", "gnomon_task_context"),
    )
    for backend in (UP, REFUSED, STOPPED)
)
ROWS = (
    Row(name="deque.append", target="append"),
    *OURS,
    Row(name="confluent produce", target="confluent_produce", backend=UP),
    Row(name="confluent produce", target="confluent_produce", backend=REFUSED),
    Row(
        name="OpenTelemetry span",
        target="opentelemetry_span",
        backend=REFUSED,
        packages=("opentelemetry-sdk==1.45.2",),
    ),
    Row(
        name="Sentry capture_event",
        target="sentry_capture",
        backend=REFUSED,
        packages=("sentry-sdk==2.75.0",),
    ),
    Row(
        name="PostHog capture",
        target="posthog_capture",
        backend=REFUSED,
        packages=("posthog==7.91.1",),
    ),
)


def measure(row: Row, broker: EmbeddedBroker, calls: int) -> dict[str, Any]:
    """Run one row.

    Raises:
        UnavailableError: It cannot be run here.
    """
    address = broker.brokers if row.backend in {UP, STOPPED} else f"127.0.0.1:{free_ports(1)}"
    argv: Sequence[str] = [sys.executable, JOB]
    env: Mapping[str, str] = {}
    if row.packages:
        peer = Peer(name=row.target, packages=row.packages, argv=(JOB,), events=0)
        argv, env = command(peer)
    with tempfile.TemporaryFile("w+") as errors:
        job = subprocess.Popen(
            [*argv, row.target, address, str(calls)],
            env={**os.environ, **env},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
        assert job.stdout is not None
        began = job.stdout.readline() == "ready\n"
        said = _with_backend(row, broker, job) if began else ""
        job.wait()
        errors.seek(0)
        lines = errors.readlines()
    if not said:
        raise UnavailableError(lines[-1].strip() if lines else f"exit status {job.returncode}")
    found: dict[str, Any] = json.loads(said)
    found["log_lines"] += len(lines)
    return found


def _with_backend(row: Row, broker: EmbeddedBroker, job: "subprocess.Popen[str]") -> str:
    """What the job says, its broker being as the row has it."""
    stopped = broker.pid if row.backend == STOPPED else None
    if stopped:
        os.kill(stopped, signal.SIGSTOP)
    try:
        return job.communicate("go\n")[0]
    finally:
        if stopped:
            os.kill(stopped, signal.SIGCONT)


def times_empty(found: Mapping[str, Any], how: str, share: str) -> float:
    """A percentile as a multiple of the empty call's in the same process."""
    return float(found[how]["call"][share] / found[how]["empty"][share])


def table(found: Mapping[str, Mapping[str, Any]], skipped: Mapping[str, str]) -> list[str]:
    """Lines: one row each."""
    lines = [
        f"{'us':<36}{'paced p50':>10}{'p99':>8}{'p99.9':>8}{'x empty':>9}{'p99 x':>7}"
        f"{'unpaced':>9}{'p99':>8}{'x empty':>9}{'CPU s/M':>9}{'MB/M':>7}{'log':>7}"
    ]
    for label, row in found.items():
        cold, hot = row["paced"]["call"], row["unpaced"]["call"]
        lines.append(
            f"{label:<36}{cold['p50']:>10.2f}{cold['p99']:>8.1f}{cold['p999']:>8.1f}"
            f"{times_empty(row, 'paced', 'p50'):>9.1f}{times_empty(row, 'paced', 'p99'):>7.1f}"
            f"{hot['p50']:>9.2f}{hot['p99']:>8.1f}{times_empty(row, 'unpaced', 'p50'):>9.1f}"
            f"{row['cpu_s_a_million']:>9.1f}{row['mb_a_million']:>7.0f}{row['log_lines']:>7}"
        )
    return [*lines, *(f"{label:<36}skipped: {why}" for label, why in skipped.items())]


def verdicts(found: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Lines: what the client must reach, beside what was measured."""
    lines = []
    for row in OURS:
        if row.label in found:
            p50, p99 = (times_empty(found[row.label], "paced", share) for share in ("p50", "p99"))
            worst = max(p50, p99)
            verdict = (
                "goal"
                if worst <= GOAL_TIMES_EMPTY
                else "yes"
                if worst <= MOST_TIMES_EMPTY
                else "NO"
            )
            lines.append(
                f"{row.label:<36} p50 {p50:5.1f} x, p99 {p99:5.1f} x the empty call paced,"
                f" must {MOST_TIMES_EMPTY:g}, goal {GOAL_TIMES_EMPTY:g}: {verdict}"
            )
    span = found.get(f"OpenTelemetry span, {REFUSED}")
    for row in OURS:
        if span and row.label in found:
            ratio = span["unpaced"]["call"]["p50"] / found[row.label]["unpaced"]["call"]["p50"]
            lines.append(
                f"{row.label:<36} {ratio:5.1f} x cheaper than the span, unpaced p50,"
                f" must {TIMES_CHEAPER:g}: {'yes' if ratio >= TIMES_CHEAPER else 'NO'}"
            )
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="a tenth of the calls")
    parser.add_argument("--only", nargs="*", default=(), help="rows whose target contains this")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="gnomon-client-"))
    found: dict[str, dict[str, Any]] = {}
    skipped: dict[str, str] = {}
    try:
        with EmbeddedBroker(data_dir=folder, progress=print) as broker:
            asyncio.run(create_topics(broker.brokers))
            for row in ROWS:
                if options.only and not any(word in row.target for word in options.only):
                    continue
                print(f"  {row.label}", flush=True)
                try:
                    calls = QUICK_CALLS if options.quick else CALLS
                    found[row.label] = measure(row, broker, calls)
                except UnavailableError as error:
                    skipped[row.label] = str(error)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print("\n".join([*table(found, skipped), "", *verdicts(found)]))
    RESULTS.mkdir(exist_ok=True)
    report = {"rows": found, "skipped": skipped}
    (RESULTS / "client.json").write_text(json.dumps(report, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
