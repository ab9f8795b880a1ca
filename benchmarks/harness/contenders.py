"""Runs each engine alone on one broker, over a topic that is full, and checks its output."""

import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from benchmarks.harness import oracle, peers
from benchmarks.harness.report import ALL_STAGES, FEATURES, FLOOR, Run
from benchmarks.harness.stream import Event, Keyed, by_partition, encoded, events, fill
from benchmarks.harness.watching import end, start, watch

from gnomon.broker import EmbeddedBroker
from gnomon.operations.topics_admin import create_topics
from gnomon.vault import create_key_file

JOBS = Path(__file__).parents[1] / "jobs"
PARTITIONS = 4
AGENTS = 1000
SPAN_H = 3.0
PATIENCE_S = 300.0
SAMPLE = 20
"""Number of agents whose output is compared with the oracle."""
OUTPUT = {
    FEATURES: ("task-features", 1),
    "shadow": ("shadow-predictions", 2),
    "comparison": ("comparisons", 1),
    "vault": ("decisions", 1),
    ALL_STAGES: ("decisions", 1),
}
"""Topics of each stage whose records are counted, and the number of records for each task."""


class Input:
    """``count`` encoded events; the hour of an agent has the same number of tasks for any count.

    Attributes:
        partitions: Number of partitions of every topic of a run over these events.
        parts: The encoded events, by partition.
        sampled: Agents whose output is checked: evenly spread, at most ``SAMPLE``.
        looked_at: Events of these agents, in the order in which they are published.
    """

    def __init__(self, count: int, *, partitions: int = PARTITIONS) -> None:
        self.count, self.tasks, self.partitions = count, count // 2, partitions
        agents = max(10, min(AGENTS, AGENTS * count // 1_000_000))
        self.sampled = {f"agent-{i:06d}" for i in range(0, agents, max(1, agents // SAMPLE))}
        self.looked_at: list[Event] = []
        self.parts: Mapping[int, Sequence[Keyed]] = by_partition(
            encoded(self._noting(events(count, agents=agents, span_h=SPAN_H))), partitions
        )

    def _noting(self, made: Iterable[Event]) -> Iterator[Event]:
        for event in made:
            if event.agent_id in self.sampled:
                self.looked_at.append(event)
            yield event


class Bench:
    """Runs engines and collects the measurements.

    Args:
        broker: A running broker.
        folder: Folder for files of workers, and logs.
    """

    def __init__(self, broker: EmbeddedBroker, folder: Path) -> None:
        self.kafka, self.folder = broker.connection, folder
        self.runs: dict[str, list[Run]] = defaultdict(list)
        self.skipped: dict[str, str] = {}
        self.broker_pid = broker.pid or 0
        self._made = 0

    async def fresh(self, given: Input | None = None, *, partitions: int = PARTITIONS) -> str:
        """Create topics under a new prefix, publish ``given`` to task-events, and return the prefix.

        With ``given`` they have its number of partitions.
        """
        self._made += 1
        prefix = f"bench{self._made}-"
        partitions = partitions if given is None else given.partitions
        await create_topics(self.kafka, prefix=prefix, partitions=partitions, replication=1)
        if given is not None:
            await fill(self.kafka, f"{prefix}task-events", given.parts)
        return prefix

    async def floor(self, given: Input, prefix: str) -> None:
        """Run the floor over ``prefix``."""
        argv = [sys.executable, str(JOBS / "floor.py")]
        await self._job(FLOOR, argv, {}, given, prefix)

    async def peer(self, peer: peers.Peer, given: Input, prefix: str) -> None:
        """Run another engine over ``prefix``, or note why it cannot run here."""
        if peer.name in self.skipped:
            return
        try:
            argv, env = peers.command(peer)
        except peers.UnavailableError as error:
            self.skipped[peer.name] = str(error)
            print(f"  {peer.name}: skipped, {error}", flush=True)
            return
        await self._job(
            peer.name,
            argv,
            env,
            given,
            prefix,
            by_event_time=peer.by_event_time,
            figures=len(oracle.HOUR if peer.hour_only else oracle.FIGURES),
        )

    async def stage(self, name: str, given: Input, prefix: str, *, label: str = "") -> None:
        """Run one of gnomon's stages, or all, over its input topics; keep the run under ``label``."""
        topic, per_task = OUTPUT[name]
        argv = [sys.executable, "-m", "gnomon", "worker", *([] if name == ALL_STAGES else [name])]
        await self._measure(
            label or name,
            argv,
            self.settings(prefix),
            given,
            sink=prefix + topic,
            records=given.tasks * per_task,
        )

    def settings(self, prefix: str) -> dict[str, str]:
        """Return the variables of gnomon's workers. Each prefix has its own files, all have the same models."""
        data = self.folder / prefix
        data.mkdir(exist_ok=True)
        if not (data / "kek.key").exists():
            create_key_file(data / "kek.key")
        return {
            "GNOMON_BROKERS": self.kafka.brokers,
            **self.kafka.security.as_environ(),
            "GNOMON_TOPIC_PREFIX": prefix,
            "GNOMON_DATA_DIR": str(data),
            "GNOMON_MLFLOW_URI": f"sqlite:///{self.folder / 'mlflow.db'}",
            # The whole input exists from the start: no task may be skipped because of lag.
            "GNOMON_SHED_LAG_RECORDS": "0",
        }

    async def _job(
        self,
        name: str,
        argv: Sequence[str],
        env: Mapping[str, str],
        given: Input,
        prefix: str,
        *,
        by_event_time: bool = False,
        figures: int = len(oracle.FIGURES),
    ) -> None:
        """Run an engine that reads its input and output topics from environment variables."""
        sink = await self.fresh(partitions=given.partitions)
        variables = {
            "BROKERS": self.kafka.brokers,
            "SOURCE": f"{prefix}task-events",
            "SINK": f"{sink}task-features",
            "AGENT_SINK": f"{sink}agent-features",
            "PARTITIONS": str(given.partitions),
            "RUN": sink.strip("-"),
            "FOLDER": str(self.folder),
        }
        await self._measure(
            name,
            argv,
            {**variables, **env},
            given,
            sink=variables["SINK"],
            records=given.tasks,
            by_event_time=by_event_time,
            figures=figures,
        )

    async def _measure(
        self,
        name: str,
        argv: Sequence[str],
        env: Mapping[str, str],
        given: Input,
        *,
        sink: str,
        records: int,
        by_event_time: bool = False,
        figures: int = len(oracle.FIGURES),
    ) -> None:
        log = self.folder / f"{name.replace(' ', '-')}.log"
        process = start(argv, env, log)
        try:
            rate = await watch(
                self.kafka,
                sink,
                partitions=given.partitions,
                expected=records,
                process=process,
                broker_pid=self.broker_pid,
                timeout_s=PATIENCE_S,
            )
        finally:
            end(process)
        if not rate.done:
            print(f"{name}: not done after {rate.seconds:.0f} s; last lines:\n{tail(log)}")
        verdict = None
        if sink.endswith("task-features") and name != FLOOR and not self.runs[name] and rate.done:
            verdict = await self._check(sink, given, by_event_time=by_event_time, figures=figures)
        run = Run(
            rate=rate,
            events=given.count,
            records=records,
            bytes_out=self._stored(sink),
            verdict=str(verdict or ""),
            right=verdict is None or verdict.right,
        )
        self.runs[name].append(run)
        print(
            f"  {name:<16}{run.events_per_s:>10,.0f} events/s {run.cpu_us:>6.1f} us CPU an event"
            f"{rate.seconds:>7.1f} s  {run.verdict}",
            flush=True,
        )

    async def _check(
        self, sink: str, given: Input, *, by_event_time: bool, figures: int
    ) -> oracle.Verdict:
        wanted = oracle.expected(given.looked_at, by_event_time=by_event_time)
        found = await oracle.vectors(
            self.kafka, sink, partitions=given.partitions, agents=given.sampled
        )
        return oracle.compare(found, wanted, first=figures)

    def _stored(self, sink: str) -> int:
        """Return the bytes of the output topics of a task-features engine, or else of ``sink`` alone."""
        prefix = sink.removesuffix("task-features")
        topics = [sink] if prefix == sink else [sink, f"{prefix}agent-features"]
        return sum(
            segment.stat().st_size
            for topic in topics
            for segment in self.folder.glob(f"*broker/data/{topic}-[0-9]*/*.log")
        )


def tail(log: Path, lines: int = 8) -> str:
    """Return the last lines of an engine's log."""
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
