"""The whole vault stage, from topic to store, beside bare inserts of the same rows by the same driver.

The floor takes the rows that the stage has stored (those of sealed decisions and those of numbers) and writes
them into the same empty tables (``floor``). Beside it is the floor of the sealed rows alone.
"""

import asyncio
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Final

from benchmarks.harness.stream import fill
from benchmarks.harness.watching import Rate, end, start, watch
from benchmarks.vaults.floor import Floors, floors_of
from benchmarks.vaults.rows import comparison
from tests.support.servers.postgres import new_database, postgres

from gnomon import codec
from gnomon.broker import EmbeddedBroker
from gnomon.connection import KafkaConnection
from gnomon.operations.topics_admin import create_topics
from gnomon.vault import create_key_file

PARTITIONS: Final = 4
MUST, GOAL = 0.5, 0.75


def measure(*, decisions: int, turns: int) -> bool:
    """Print the rates of stage and floor, by turns; return whether the requirement is met."""
    with tempfile.TemporaryDirectory(prefix="gnomon-bench-") as name, ExitStack() as running:
        folder = Path(name)
        broker = running.enter_context(
            EmbeddedBroker(data_dir=folder, heap_mb=512, long_running=True)
        )
        server = running.enter_context(postgres())
        met = True
        for kind in ("PostgreSQL", "SQLite"):
            found: list[Rate] = []
            floors: list[Floors] = []
            for turn in range(turns):
                own = folder / f"{kind}{turn}"
                own.mkdir()
                url = new_database(server) if kind == "PostgreSQL" else f"sqlite:///{own}/store.db"
                found.append(asyncio.run(_stage(broker, own, url, decisions)))
                empty = [
                    new_database(server) if kind == "PostgreSQL" else f"sqlite:///{own}/{name}.db"
                    for name in ("sealed", "all")
                ]
                floors.append(floors_of(url, *empty))
            met &= _say(kind, found, floors)
    return met


def _say(kind: str, found: Sequence[Rate], floors: Sequence[Floors]) -> bool:
    per_s, floor_per_s = median(rate.per_s for rate in found), median(f.rows.per_s for f in floors)
    cpu_us = median(rate.cpu_s / (rate.per_s * rate.span_s) * 1e6 for rate in found)
    print(f"{kind:<12}{'decisions/s':>12}{'of turns':>18}{'CPU us a decision':>19}")
    for name, rates, us in (
        ("stage", [rate.per_s for rate in found], cpu_us),
        ("floor", [f.rows.per_s for f in floors], median(f.rows.cpu_us for f in floors)),
        ("sealed", [f.sealed.per_s for f in floors], median(f.sealed.cpu_us for f in floors)),
    ):
        turns = f"{min(rates):,.0f}-{max(rates):,.0f}"
        print(f"  {name:<10}{median(rates):>12,.0f}{turns:>18}{us:>19.1f}")
    share, spans = per_s / floor_per_s, min(rate.span_s for rate in found)
    reached = "goal" if share >= GOAL else "yes" if share >= MUST else "NO"
    of_sealed = per_s / median(f.sealed.per_s for f in floors)
    print(
        f"  {share:.2f} of the floor; at least {MUST}: {reached}; {of_sealed:.2f} of that of the sealed rows"
        f" alone; shortest span {spans:.1f} s",
        flush=True,
    )
    return share >= MUST


async def _fill(kafka: KafkaConnection, prefix: str, decisions: int) -> None:
    await create_topics(kafka, prefix=prefix, partitions=PARTITIONS, replication=1)
    made = [comparison(number) for number in range(decisions)]
    parts = {
        part: [(b"agent", codec.encode(each)) for each in made[part::PARTITIONS]]
        for part in range(PARTITIONS)
    }
    await fill(kafka, f"{prefix}comparisons", parts)


async def _stage(broker: EmbeddedBroker, folder: Path, url: str, decisions: int) -> Rate:
    """Let a worker read topics of its own."""
    kafka, prefix = broker.connection, f"{folder.name}-"
    await _fill(kafka, prefix, decisions)
    create_key_file(folder / "kek.key")
    env = {
        "GNOMON_BROKERS": kafka.brokers,
        "GNOMON_TOPIC_PREFIX": prefix,
        "GNOMON_DATA_DIR": str(folder),
        "GNOMON_STORE_URL": url,
    }
    process = start([sys.executable, "-m", "gnomon", "worker", "vault"], env, folder / "worker.log")
    try:
        rate = await watch(
            kafka,
            f"{prefix}decisions",
            partitions=PARTITIONS,
            expected=decisions,
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
    return rate
