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
from tests.faults.publish import Placed, Publisher, told_records
from tests.faults.rig import Rig
from tests.faults.stream import BEFORE_NOW_MS, EXPIRE_MS, LATENESS_MS, stream
from tests.faults.verifying.tables import Spans
from tests.faults.verifying.verify import verify

DRAIN_S = 240.0
TOLD_S = 30.0


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
    lacking: int = 0
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
        rig.publisher = Publisher(rig.broker.connection, sent, seconds=options.seconds)
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
            group.create_task(rig.publisher.run())
        ended_s = time.monotonic()
        drained = await rig.drained(timeout_s=DRAIN_S)
        await rig.written(timeout_s=TOLD_S)
        placed, history = rig.publisher.placed, rig.history
        await rig.told(told_records(placed, history), timeout_s=TOLD_S)
        say(f"{'drained' if drained else 'NOT drained'} after {time.monotonic() - ended_s:.0f} s")
        await rig.stop_workers()
        log = history.whole(await read_all(rig.broker.connection, "task-events"))
        report = Report(
            seed=options.seed,
            events=len(sent),
            seconds=0.0,
            drained=drained,
            input_as_sent=_as_sent(placed, log),
            faults=Counter(done.fault.kind for done in inflicter.inflicted),
            recovery_s=_recovery(rig, inflicter.inflicted),
            restarts=rig.restarts,
        )
        settings = rig.settings.reaching(rig.broker.connection)
        await dump(settings, dumped, log=log, history=history)
    findings = await asyncio.to_thread(verify, dumped, SPANS)
    report.missing, report.twice, report.wrong = findings.missing, findings.twice, findings.wrong
    report.lacking = findings.lacking
    report.ledger_exact, report.ledger = findings.ledger_exact, findings.ledger
    report.records, report.samples = findings.records, findings.samples
    report.seconds = round(time.monotonic() - begun_s, 1)
    return report


SPANS = Spans(lateness_ms=LATENESS_MS, expire_ms=EXPIRE_MS)


def _as_sent(placed: Sequence[Placed], log: Sequence[tuple[int, Any]]) -> bool:
    """Return whether the log had exactly the records that were sent, at the acknowledged offsets."""
    expected = {
        (each.life, each.partition, each.offset): (each.record.key, each.record.value)
        for each in placed
    }
    found = {
        (life, record.partition, record.offset): (record.key, record.value) for life, record in log
    }
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
