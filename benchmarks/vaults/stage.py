"""The whole vault stage, from topic to store, beside bare inserts of the same rows by the same driver.

The floor takes the rows that the stage has stored (those of sealed decisions, of numbers and of roots) and writes
them into the same empty tables (``floor``). Beside it is the floor of the sealed rows alone. All take turns. The
stage measures what it spends on roots (``timed_roots``); what they cost the database's server is measured beside it
(``roots_server``).
"""

import asyncio
import os
import secrets
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Final

from benchmarks.harness.stream import Keyed, fill
from benchmarks.harness.watching import TICKS, Rate, end, family, start, watch
from benchmarks.vaults import timed_roots
from benchmarks.vaults.floor import Floors, floors_of
from benchmarks.vaults.roots_server import us_of_roots
from benchmarks.vaults.rows import comparison
from tests.support.servers.postgres import new_database, postgres

from gnomon import codec
from gnomon.broker import EmbeddedBroker
from gnomon.operations.topics_admin import create_topics
from gnomon.vault import create_key_file

PARTITIONS: Final = 4
MUST, GOAL = 0.5, 0.75
ROOTS_MOST: Final = 0.05
STORES: Final = ("PostgreSQL", "SQLite")


@dataclass(frozen=True, slots=True)
class Run:
    """One run of the stage.

    Attributes:
        rate: Of its output.
        server_us: Processor time of the database's server for one decision, microseconds.
        roots_us: Processor time of the worker for one decision that only roots need.
    """

    rate: Rate
    server_us: float
    roots_us: float

    @property
    def worker_us(self) -> float:
        """Processor time of the worker for one decision."""
        return self.rate.cpu_s / (self.rate.per_s * self.rate.span_s) * 1e6

    @property
    def all_us(self) -> float:
        """Processor time of worker, database and Kafka for one decision."""
        return self.worker_us + self.server_us + self.broker_us

    @property
    def broker_us(self) -> float:
        """Processor time of Kafka for one decision."""
        return self.rate.broker_cpu_s / (self.rate.per_s * self.rate.span_s) * 1e6


def measure(*, decisions: int, turns: int, stores: Sequence[str] = STORES) -> bool:
    """Print the rates of stage and floor, by turns; return whether the requirements are met."""
    made = [(b"agent", codec.encode(comparison(number))) for number in range(decisions)]
    with tempfile.TemporaryDirectory(prefix="gnomon-bench-") as name, ExitStack() as running:
        folder = Path(name)
        broker = running.enter_context(
            EmbeddedBroker(data_dir=folder, heap_mb=512, long_running=True)
        )
        server = running.enter_context(postgres()) if STORES[0] in stores else ""
        met = True
        _warm_up(broker, folder / "SQLite-warm-up", made)
        for kind in stores:
            server_s = server_cpu_s if kind == STORES[0] else _no_server_s
            runs: list[Run] = []
            floors: list[Floors] = []
            for turn in range(turns):
                own = folder / f"{kind}{turn}"
                own.mkdir()
                url = _new_store(server, own)
                runs.append(asyncio.run(_stage(broker, own, url, made, server_s)))
                floors.append(floors_of(url, partial(_new_store, server, own), server_s))
            met &= _say(kind, runs, floors)
            met &= _say_roots(runs, _of_server(server, folder) if kind == STORES[0] else 0.0)
    return met


def _warm_up(broker: EmbeddedBroker, folder: Path, made: Sequence[Keyed]) -> None:
    """Run the stage once: in the first minute of Kafka, Java's compiler takes most of a core."""
    folder.mkdir()
    asyncio.run(_stage(broker, folder, f"sqlite:///{folder}/store.db", made, _no_server_s))


def _new_store(server: str, folder: Path) -> str:
    """URL of a new, empty database."""
    if folder.name.startswith(STORES[0]):
        return new_database(server)
    return f"sqlite:///{folder}/{secrets.token_hex(4)}.db"


def _of_server(server: str, folder: Path) -> float:
    own = folder / "roots"
    own.mkdir()
    return us_of_roots(new_database(server), own, server_cpu_s)


def _say(kind: str, found: Sequence[Run], floors: Sequence[Floors]) -> bool:
    print(
        f"{kind:<12}{'decisions/s':>12}{'of turns':>18}{'CPU us of client':>18}{'server':>8}{'Kafka':>7}"
    )
    us = (median(run.worker_us for run in found), median(run.server_us for run in found))
    kafka = f"{median(run.broker_us for run in found):.1f}"
    _line("stage", [run.rate.per_s for run in found], *us, kafka)
    for name, of_rows in (
        ("floor", [f.rows for f in floors]),
        ("sealed", [f.sealed for f in floors]),
    ):
        us = (median(f.cpu_us for f in of_rows), median(f.server_us for f in of_rows))
        _line(name, [f.per_s for f in of_rows], *us)
    per_s = median(run.rate.per_s for run in found)
    share = per_s / median(f.rows.per_s for f in floors)
    reached = "goal" if share >= GOAL else "yes" if share >= MUST else "NO"
    of_sealed = per_s / median(f.sealed.per_s for f in floors)
    spans = min(*(run.rate.span_s for run in found), *(f.rows.span_s for f in floors))
    print(
        f"  {share:.2f} of the floor; at least {MUST}: {reached}; {of_sealed:.2f} of that of the sealed rows"
        f" alone; shortest span {spans:.1f} s"
    )
    return share >= MUST


def _line(name: str, rates: Sequence[float], us: float, server_us: float, kafka: str = "") -> None:
    turns = f"{min(rates):,.0f}-{max(rates):,.0f}"
    print(
        f"  {name:<10}{median(rates):>12,.0f}{turns:>18}{us:>18.1f}{server_us:>8.1f}{kafka:>7}",
        flush=True,
    )


def _say_roots(found: Sequence[Run], server_us: float) -> bool:
    """Say the roots' share of the processor time of the whole stage, and of the stage without Kafka.

    Args:
        found: The runs of the stage.
        server_us: Processor time of the database's server for the roots of one decision.
    """
    us = median(run.roots_us for run in found)
    share = median((run.roots_us + server_us) / run.all_us for run in found)
    without = median((run.roots_us + server_us) / (run.all_us - run.broker_us) for run in found)
    print(
        f"  roots: {us:.2f} us of the worker and {server_us:.2f} of the server, {share:.1%} of the processor time of"
        f" worker, database and Kafka, at most 5 %: {'yes' if share <= ROOTS_MOST else 'NO'}; {without:.1%} without Kafka",
        flush=True,
    )
    return share <= ROOTS_MOST


def server_cpu_s() -> float:
    """Return the processor time of the PostgreSQL server that this process has started; 0 without one."""
    ticks = family(os.getpid())
    return sum(ticks[pid] for pid in ticks if _command(pid) == "postgres") / TICKS


def _no_server_s() -> float:
    """Return the processor time of SQLite's server: it has none, and another store's may still be at work."""
    return 0.0


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


async def _stage(
    broker: EmbeddedBroker,
    folder: Path,
    url: str,
    made: Sequence[Keyed],
    server_s: Callable[[], float],
) -> Run:
    """Let a worker read topics of its own; ``server_s`` returns the processor time of the database's server."""
    kafka, prefix = broker.connection, f"{folder.name.replace(' ', '-')}-"
    await create_topics(kafka, prefix=prefix, partitions=PARTITIONS, replication=1)
    parts = {part: made[part::PARTITIONS] for part in range(PARTITIONS)}
    await fill(kafka, f"{prefix}comparisons", parts)
    create_key_file(folder / "kek.key")
    env = {
        "GNOMON_BROKERS": kafka.brokers,
        "GNOMON_TOPIC_PREFIX": prefix,
        "GNOMON_DATA_DIR": str(folder),
        "GNOMON_STORE_URL": url,
        timed_roots.FILE: str(folder / "roots"),
    }
    began_s = server_s()
    argv = [sys.executable, "-m", timed_roots.__name__, "worker", "vault"]
    process = start(argv, env, folder / "worker.log")
    try:
        rate = await watch(
            kafka,
            f"{prefix}decisions",
            partitions=PARTITIONS,
            expected=len(made),
            process=process,
            broker_pid=broker.pid or 0,
            timeout_s=300.0,
        )
    finally:
        end(process)
    if not rate.done:
        raise SystemExit(
            f"the stage was not done: see {(folder / 'worker.log').read_text()[-2000:]}"
        )
    roots_us = float((folder / "roots").read_text()) / len(made) * 1e6
    return Run(rate, (server_s() - began_s) / len(made) * 1e6, roots_us)
