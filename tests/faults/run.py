"""One run: a stream goes through real processes while faults happen, then all outputs are verified."""

import asyncio
import statistics
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from tests.faults.dump import dump, read_all
from tests.faults.inflict import KINDS, Inflicted, Inflicter, plan
from tests.faults.rig import Rig
from tests.faults.stream import BEFORE_NOW_MS, EXPIRE_MS, LATENESS_MS, Sent, stream
from tests.faults.verify import Spans, verify

from gnomon.connection import KafkaConnection, aiokafka_clients

TICK_S = 0.05
DRAIN_S = 240.0
TOLD_S = 30.0
PUBLISH_MS = 400_000
"""How long a record waits for a broker that starts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What to run.

    Attributes:
        seconds: Duration of the stream.
        kinds: The kinds of faults.
        workers: Of each stage.
        secure: Whether the broker lets in over TLS only, by password, with the least rights.
    """

    seed: int
    events: int
    faults: int
    agents: int
    seconds: float
    folder: Path
    say: Callable[[str], None]
    kinds: Sequence[str] = tuple(KINDS)
    partitions: int = 4
    workers: int = 1
    secure: bool = False


@dataclass(slots=True)
class Report:
    """The result. ``input_as_sent``: the log has exactly the records that were sent; times in seconds."""

    seed: int
    events: int
    seconds: float
    drained: bool
    input_as_sent: bool
    faults: Mapping[str, int]
    recovery_s: Mapping[str, Mapping[str, float]]
    restarts: Mapping[str, int]
    missing: int = 0
    twice: int = 0
    wrong: int = 0
    ledger_exact: bool = False
    ledger: Mapping[str, int] | None = None
    records: Mapping[str, int] | None = None
    samples: Mapping[str, Sequence[str]] | None = None

    @property
    def clean(self) -> bool:
        """Whether nothing was lost, repeated or wrong."""
        lost = self.missing or self.twice or self.wrong
        return not lost and self.ledger_exact and self.drained and self.input_as_sent

    def as_json(self) -> bytes:
        """Encode the report for a file."""
        return msgspec.json.format(msgspec.json.encode(self), indent=2) + b"\n"


async def run(options: Options) -> Report:
    """Run, dump every topic to ``options.folder/dump``, verify.

    Raises:
        RigError: The workers never became ready, or gave up by themselves.
    """
    begun_s = time.monotonic()
    say = options.say
    begin_ms = time.time_ns() // 1_000_000 - BEFORE_NOW_MS
    sent = stream(
        seed=options.seed, events=options.events, agents=options.agents, begin_ms=begin_ms
    )
    dumped = options.folder / "dump"
    await asyncio.to_thread(dumped.mkdir)
    async with Rig(
        options.folder,
        partitions=options.partitions,
        workers=options.workers,
        secure=options.secure,
    ) as rig:
        say(f"ready after {time.monotonic() - begun_s:.0f} s; {len(sent)} events")
        inflicter = Inflicter(rig, say)
        planned = plan(
            seed=options.seed,
            faults=options.faults,
            seconds=options.seconds,
            kinds_of=options.kinds,
        )
        # A fault that fails ends the run: without the broker, publishing would wait for ever.
        async with asyncio.TaskGroup() as group:
            group.create_task(inflicter.run(planned))
            publishing = group.create_task(
                _publish(rig.broker.connection, sent, seconds=options.seconds)
            )
        places = publishing.result()
        ended_s = time.monotonic()
        drained = await rig.drained(timeout_s=DRAIN_S)
        await rig.written(timeout_s=TOLD_S)
        await rig.told(sum(record.named for record in sent), timeout_s=TOLD_S)
        say(f"{'drained' if drained else 'NOT drained'} after {time.monotonic() - ended_s:.0f} s")
        await rig.stop_workers()
        log = await read_all(rig.broker.connection, "task-events")
        report = Report(
            seed=options.seed,
            events=len(sent),
            seconds=0.0,
            drained=drained,
            input_as_sent=_as_sent(sent, places, log),
            faults=Counter(done.fault.kind for done in inflicter.inflicted),
            recovery_s=_recovery(rig, inflicter.inflicted),
            restarts=rig.restarts,
        )
        await dump(rig.settings.reaching(rig.broker.connection), dumped)
    findings = await asyncio.to_thread(verify, dumped, SPANS)
    report.missing, report.twice, report.wrong = findings.missing, findings.twice, findings.wrong
    report.ledger_exact, report.ledger = findings.ledger_exact, findings.ledger
    report.records, report.samples = findings.records, findings.samples
    report.seconds = round(time.monotonic() - begun_s, 1)
    return report


SPANS = Spans(lateness_ms=LATENESS_MS, expire_ms=EXPIRE_MS)


async def _publish(
    kafka: KafkaConnection, sent: Sequence[Sent], *, seconds: float
) -> list[tuple[int, int]]:
    """Send all records evenly over ``seconds``; returns the partition and offset of each."""
    producer = aiokafka_clients.producer(
        kafka,
        enable_idempotence=True,
        linger_ms=5,
        request_timeout_ms=PUBLISH_MS,
    )
    await producer.start()
    try:
        begun_s = time.monotonic()
        deliveries: list[Any] = []
        while len(deliveries) < len(sent):
            due = int((time.monotonic() - begun_s) / seconds * len(sent)) + 1
            deliveries += [
                await producer.send("task-events", record.value, key=record.key)
                for record in sent[len(deliveries) : due]
            ]
            await asyncio.sleep(TICK_S)
        placed = await asyncio.gather(*deliveries)
        return [(place.partition, place.offset) for place in placed]
    finally:
        await producer.stop()


def _as_sent(sent: Sequence[Sent], places: Sequence[tuple[int, int]], log: Sequence[Any]) -> bool:
    """Return whether the log has exactly the records that were sent, at the acknowledged offsets."""
    expected = {
        place: (record.key, record.value) for place, record in zip(places, sent, strict=True)
    }
    found = {(record.partition, record.offset): (record.key, record.value) for record in log}
    return expected == found


def _recovery(rig: Rig, inflicted: Sequence[Inflicted]) -> dict[str, dict[str, float]]:
    """Return, by kind, the time from the fault to the first commit, and the longest time without one."""
    first: dict[str, list[float]] = defaultdict(list)
    silence: dict[str, list[float]] = defaultdict(list)
    for done in inflicted:
        kind = done.fault.kind
        for stage in done.affected:
            after_s = rig.commits.first_after(stage, done.from_s)
            if after_s is not None:
                first[kind].append(after_s)
                silence[kind].append(rig.commits.longest_silence(stage, done.from_s, done.until_s))
    return {
        kind: {
            "n": len(values),
            "first_commit_median": round(statistics.median(values), 1),
            "first_commit_max": round(max(values), 1),
            "longest_silence_median": round(statistics.median(silence[kind]), 1),
            "longest_silence_max": round(max(silence[kind]), 1),
        }
        for kind, values in sorted(first.items())
    }
