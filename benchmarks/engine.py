"""How fast the engine is, beside peers and beside the floor, on this machine in one run.

``make bench`` or ``python benchmarks/engine.py``: fills a topic with N task events, runs each
contender alone over it, by turns and repeatedly, prints a table and writes
``benchmarks/results/engine.json``. Only the ratios mean anything: the broker shares the machine.

Every contender does the same job: fold finishes into an exact rolling hour an agent, and write a
vector for each start. ``floor`` reads, decodes, encodes and writes as much, with nothing between.
"""

import argparse
import asyncio
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from gnomon.broker import EmbeddedBroker
from gnomon.broker.topics_admin import create_topics
from gnomon.vault import create_key_file
from support import (
    Rate,
    end,
    events,
    fill,
    start,
    watch,
)

HERE = Path(__file__).parent
PARTITIONS = 4
AGENTS = 1000
SPAN_H = 3.0
STAGES = ("features", "shadow", "comparison", "vault")
OUTPUT = {
    "features": ("task-features", 1),
    "shadow": ("shadow-predictions", 2),
    "comparison": ("comparisons", 1),
    "vault": ("decisions", 1),
}
"""What each stage writes, and how many records a task."""
FLINK_JAR = "org.apache.flink:flink-sql-connector-kafka:5.0.0-2.2"


@dataclass(frozen=True, slots=True)
class Peer:
    """A contender with a virtual environment of its own."""

    name: str
    packages: Sequence[str]
    argv: Sequence[str]
    share: float = 1.0
    env: dict[str, str] = field(default_factory=dict)


PEERS = (
    Peer("faust", ("faust-streaming==0.15.3",), ("faust_taught.py", "worker", "-l", "warn"), 0.05),
    Peer(
        "bytewax",
        ("bytewax==0.21.1", "confluent-kafka"),
        ("-m", "bytewax.run", "bytewax_job:flow"),
        0.5,
    ),
    Peer("quix", ("quixstreams==3.25.0",), ("quix_state.py",), 0.2),
    Peer("flink", ("apache-flink==2.2.0",), ("flink_sql.py",), 0.3),
)
"""``share`` of the events: the slow ones are given fewer, as only rates are compared."""


class Bench:
    """One broker, one filled input, and contenders by turns."""

    def __init__(self, brokers: str, folder: Path, *, count: int) -> None:
        self.brokers, self.folder, self.count = brokers, folder, count
        self.results: dict[str, list[Rate]] = defaultdict(list)
        self.skipped: dict[str, str] = {}
        self._runs = 0

    async def fresh(self, count: int) -> str:
        """A prefix with its own topics, ``count`` events in task-events."""
        self._runs += 1
        prefix = f"bench{self._runs}-"
        await create_topics(self.brokers, prefix=prefix, partitions=PARTITIONS, replication=1)
        await fill(
            self.brokers, f"{prefix}task-events", events(count, agents=AGENTS, span_h=SPAN_H)
        )
        return prefix

    async def job(
        self, name: str, argv: Sequence[str], *, source: str, count: int, env: dict[str, str]
    ) -> None:
        """Run one contender that writes to a topic of its own."""
        self._runs += 1
        sink = f"run{self._runs}-"
        await create_topics(self.brokers, prefix=sink, partitions=PARTITIONS, replication=1)
        await self._measure(
            name,
            argv,
            {
                "BROKERS": self.brokers,
                "SOURCE": source,
                "SINK": f"{sink}task-features",
                "PARTITIONS": str(PARTITIONS),
                "RUN": str(self._runs),
                **env,
            },
            f"{sink}task-features",
            count // 2,
        )

    async def stage(self, stage: str, prefix: str, env: dict[str, str]) -> None:
        """Run one of gnomon's stages over what is in its input."""
        topic, per_task = OUTPUT[stage]
        await self._measure(
            stage,
            [sys.executable, "-m", "gnomon", "worker", stage],
            env,
            prefix + topic,
            self.count // 2 * per_task,
        )

    async def all_stages(self, env: dict[str, str], prefix: str) -> None:
        """All four at once; the rate is of decisions sealed."""
        await self._measure(
            "all four stages",
            [sys.executable, "-m", "gnomon", "worker"],
            env,
            f"{prefix}decisions",
            self.count // 2,
        )

    async def _measure(
        self, name: str, argv: Sequence[str], env: dict[str, str], sink: str, expected: int
    ) -> None:
        log = self.folder / f"{name.replace(' ', '-')}.log"
        process = start(argv, env, log)
        try:
            rate = await watch(
                self.brokers,
                sink,
                partitions=PARTITIONS,
                expected=expected,
                pid=process.pid,
                timeout_s=240.0,
            )
        finally:
            end(process)
        if not rate.done:
            print(f"{name}: not done after {rate.seconds:.0f} s, see {log}", file=sys.stderr)
        self.results[name].append(rate)
        print(
            f"  {name:<16}{rate.per_s:>10,.0f} records/s  {rate.cpu_s:6.1f} CPU s"
            f"  {rate.seconds:6.1f} s",
            flush=True,
        )


def environment(peer: Peer, home: Path) -> str:
    """The peer's interpreter; makes its virtual environment once.

    Raises:
        subprocess.CalledProcessError: It cannot be installed here.
    """
    python = home / peer.name / "bin" / "python"
    if not (home / peer.name / ".made").exists():
        print(f"installing {peer.name} into {home / peer.name}", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", str(home / peer.name)], check=True)
        pip = [str(python), "-m", "pip", "install", "--quiet", *peer.packages]
        subprocess.run(pip, check=True, capture_output=True, text=True)
        (home / peer.name / ".made").touch()
    return str(python)


def flink_jar(home: Path) -> str:
    """The Kafka connector of Flink SQL, by Maven; raises ``CalledProcessError`` without one."""
    name = f"{FLINK_JAR.split(':')[1]}-{FLINK_JAR.split(':')[2]}.jar"
    if not (home / name).exists():
        subprocess.run(
            [
                "mvn",
                "-q",
                "dependency:copy",
                f"-Dartifact={FLINK_JAR}",
                f"-DoutputDirectory={home}",
            ],
            check=True,
            capture_output=True,
            text=True,
        )
    return str(home / name)


def forest(uri: str) -> None:
    """Register a random forest, trained on made-up decisions, as the challenger."""
    from training_data import decisions

    from gnomon.models.learners import LEARNERS
    from gnomon.models.registry import Registry
    from gnomon.models.train import train

    trained = train(decisions(2000), learner=LEARNERS["forest"]())
    Registry(uri=uri, model_name="gnomon").register(trained, alias="challenger", author="bench")


async def run(options: argparse.Namespace, brokers: str, folder: Path) -> Bench:
    bench = Bench(brokers, folder, count=options.events)
    home = Path(os.environ.get("GNOMON_BENCH_HOME", Path.home() / ".cache" / "gnomon-bench"))
    forest(f"sqlite:///{folder / 'mlflow.db'}")
    print(f"filling a topic with {options.events:,} events of {AGENTS:,} agents", flush=True)
    peers = [] if options.quick else [p for p in PEERS if p.name not in options.without]
    small = {p.share: await bench.fresh(int(options.events * p.share)) for p in peers}
    for turn in range(options.repeat):
        print(f"turn {turn + 1} of {options.repeat}", flush=True)
        prefix = await bench.fresh(options.events)
        source, env = f"{prefix}task-events", settings(brokers, prefix, folder)
        floor = [sys.executable, str(HERE / "jobs" / "floor.py")]
        await bench.job("floor", floor, source=source, count=options.events, env={})
        for stage in STAGES if turn == 0 or not options.quick else ("features",):
            await bench.stage(stage, prefix, env)
        for peer in peers if turn == 0 else []:
            await run_peer(bench, peer, home, f"{small[peer.share]}task-events")
    for _ in range(1 if options.quick else options.repeat):
        whole = await bench.fresh(options.events)
        await bench.all_stages(settings(brokers, whole, folder), whole)
    return bench


async def run_peer(bench: Bench, peer: Peer, home: Path, source: str) -> None:
    """Run one peer, or note why it cannot be run here."""
    try:
        home.mkdir(parents=True, exist_ok=True)
        python = environment(peer, home)
        env = {**peer.env, "PYTHONPATH": str(HERE / "jobs")}
        if peer.name == "flink":
            env["FLINK_KAFKA_JAR"] = flink_jar(home)
    except (subprocess.CalledProcessError, OSError) as error:
        why = (getattr(error, "stderr", None) or str(error)).strip().splitlines()
        bench.skipped[peer.name] = why[-1] if why else repr(error)
        print(f"  {peer.name}: skipped, {bench.skipped[peer.name]}", flush=True)
        return
    script = [str(HERE / "jobs" / a) if a.endswith(".py") else a for a in peer.argv]
    count = int(bench.count * peer.share)
    await bench.job(peer.name, [python, *script], source=source, count=count, env=env)


def settings(brokers: str, prefix: str, folder: Path) -> dict[str, str]:
    """Variables of gnomon's workers; each prefix has its own files, all the same models."""
    data = folder / prefix
    data.mkdir(exist_ok=True)
    if not (data / "kek.key").exists():
        create_key_file(data / "kek.key")
    return {
        "GNOMON_BROKERS": brokers,
        "GNOMON_TOPIC_PREFIX": prefix,
        "GNOMON_DATA_DIR": str(data),
        "GNOMON_MLFLOW_URI": f"sqlite:///{folder / 'mlflow.db'}",
        "GNOMON_LOG_LEVEL": "INFO",
    }


def summary(bench: Bench, options: argparse.Namespace) -> dict[str, object]:
    """Medians over the turns, and the ratios that mean something."""
    per_s = {name: statistics.median(r.per_s for r in rs) for name, rs in bench.results.items()}
    floor, features = per_s.get("floor", 0.0), per_s.get("features", 0.0)
    ratios = {"features_to_floor": features / floor if floor else None}
    for peer in PEERS:
        if per_s.get(peer.name):
            ratios[f"features_to_{peer.name}"] = features / per_s[peer.name]
    return {
        "events": options.events,
        "contenders": {
            name: {
                "records_per_s": round(per_s[name], 1),
                "events_per_s": round(per_s[name] * events_a_record(name), 1),
                "cpu_s": round(statistics.median(r.cpu_s for r in rs), 2),
                "runs": [asdict(r) for r in rs],
            }
            for name, rs in bench.results.items()
        },
        **{name: None if value is None else round(value, 3) for name, value in ratios.items()},
        "tasks_per_s": round(per_s.get("all four stages", 0.0), 1),
        "skipped": bench.skipped,
    }


def events_a_record(name: str) -> float:
    """Task events behind one record of a contender's output."""
    return 2.0 / OUTPUT[name][1] if name in OUTPUT else 2.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, epilog="example: make bench QUICK=1")
    parser.add_argument("--events", type=int, default=0, help="1,000,000; with --quick 300,000")
    parser.add_argument("--repeat", type=int, default=0, help="turns (3; with --quick 2)")
    parser.add_argument("--quick", action="store_true", help="under three minutes, without peers")
    parser.add_argument("--without", action="append", default=[], help="leave a peer out")
    parser.add_argument("--out", type=Path, default=HERE / "results" / "engine.json")
    options = parser.parse_args()
    options.events = options.events or (300_000 if options.quick else 1_000_000)
    options.repeat = options.repeat or (2 if options.quick else 3)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that contenders are ended
    folder = Path(tempfile.mkdtemp(prefix="gnomon-bench-"))
    began_s = time.monotonic()
    with EmbeddedBroker(data_dir=folder, progress=print, heap_mb=1024) as broker:
        bench = asyncio.run(run(options, broker.brokers, folder))
    found = summary(bench, options)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(found, indent=2) + "\n")
    shutil.rmtree(folder, ignore_errors=True)
    for name, value in found.items():
        if name not in {"contenders", "skipped"}:
            print(f"{name:<24}{value}")
    print(f"{options.out}  ({time.monotonic() - began_s:.0f} s)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
