"""A run without Kafka and without faults: runs the stages in this process, to test the verifier."""

import asyncio
import base64
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from tests.faults.dump import STORE, TOPICS, as_line, write_lines
from tests.faults.history import History, Hole
from tests.faults.stream import BEFORE_NOW_MS, EXPIRE_MS, LATENESS_MS, Sent, stream
from tests.faults.verifying.live_verdict import write_settings

from gnomon.codec import encode
from gnomon.records import Headers, Outputs
from gnomon.runtime.metrics import Metrics
from gnomon.settings import Settings
from gnomon.stages.comparison import WHOLE_EVERY, ComparisonStage
from gnomon.stages.features import FeaturesStage
from gnomon.stages.predicting.live_models import LiveModels
from gnomon.stages.shadow import ShadowStage
from gnomon.stages.vault import VaultStage
from gnomon.vault import KeyRing, load_key

PARTITIONS = 2
APPENDED_MS = 1_780_000_000_000
"""Append time of every record."""
BATCH = 97
Range = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Record:
    """One record of a log in memory."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers = ()
    timestamp: int = APPENDED_MS


class Logs:
    """Topics in memory."""

    def __init__(self) -> None:
        self.records: dict[tuple[str, int], list[Record]] = defaultdict(list)

    def append(
        self,
        topic: str,
        partition: int,
        *,
        key: bytes | None,
        value: bytes | None,
        headers: Headers = (),
    ) -> None:
        """Append one record."""
        log = self.records[topic, partition]
        log.append(Record(topic, partition, len(log), key, value, headers))

    def of(self, topic: str) -> list[Record]:
        """Return all records of a topic."""
        return [record for n in range(PARTITIONS) for record in self.records[topic, n]]

    def write(self, stage: str, partition: int, outputs: Outputs) -> None:
        """Write outputs as the runtime does."""
        for topic, records in outputs.by_topic.items():
            for key, value in records:
                self.append(topic, partition, key=key, value=value)
        for letter in outputs.dead:
            source = letter.record
            headers = {
                "stage": stage,
                "reason": letter.reason,
                "topic": source.topic,
                "partition": str(source.partition),
                "offset": str(source.offset),
            }
            self.append(
                "dead-letters",
                partition,
                key=source.key,
                value=source.value,
                headers=[(f"gnomon-{name}", text.encode()) for name, text in headers.items()],
            )


async def run(
    folder: Path, *, seed: int, events: int, agents: int, unread: Range | None = None
) -> None:
    """Write to ``folder``, which has a folder ``data``, the dump of a run without faults.

    ``unread`` are the first and the last part, in [0, 1], of events of partition 0 that no stage reads.
    """
    settings = Settings(
        data_dir=str(folder / "data"),
        key=base64.b64encode(bytes(32)).decode(),
        max_lateness_s=LATENESS_MS / 1000,
        expire_after_s=EXPIRE_MS / 1000,
        verdict_settings=write_settings(folder),
    )
    sent = stream(seed=seed, events=events, agents=agents, begin_ms=APPENDED_MS - BEFORE_NOW_MS)
    logs = Logs()
    for record in sent:
        logs.append("task-events", _partition(record), key=record.key, value=record.value)
    metrics, history = Metrics(), History()
    nothing_live = cast("LiveModels", SimpleNamespace(live=(), absent=list))
    vault = VaultStage(settings, metrics=metrics)
    await vault.start()
    for stage in (
        FeaturesStage(settings, metrics=metrics, now_ms=lambda: 0),
        ShadowStage(nothing_live, metrics=metrics, now_ms=lambda: 0),
        ComparisonStage(settings, metrics=metrics),
        vault,
    ):
        await _work(stage, logs, history, unread)
    store = vault._store
    assert store is not None
    keyring = KeyRing(load_key(settings), store.keys)
    for topic in TOPICS:
        write_lines(folder / f"{topic}.jsonl", (as_line(topic, r, keyring) for r in logs.of(topic)))
    history.write(folder)
    rows = store.iter_sealed()
    write_lines(folder / f"{STORE}.jsonl", (_store_line(row, keyring) for row in rows))
    await vault.stop()


def _store_line(row: Any, keyring: KeyRing) -> dict[str, Any]:
    record = Record("decisions", 0, 0, None, encode(row))
    return as_line("decisions", record, keyring)


def _partition(record: Sent) -> int:
    return record.key[-1] % PARTITIONS


async def _work(stage: Any, logs: Logs, history: History, unread: Range | None) -> None:
    for partition in range(PARTITIONS):
        state = stage.new_state(partition)
        for records in _stretches(stage, logs, partition, unread):
            if records.lost:
                begin, end = records.lost
                agents_told = len(logs.records["agent-features", partition])
                if stage.name == "features":
                    history.holes.append(Hole(0, partition, begin, end, agents_told))
                stage.missed(state, end - begin)
            for at in range(0, len(records.there), BATCH):
                outputs = await stage.apply(state, records.there[at : at + BATCH])
                logs.write(stage.name, partition, outputs)
        for _ in range(WHOLE_EVERY):
            logs.write(stage.name, partition, stage.tick(state, 0) or Outputs())


@dataclass(frozen=True, slots=True)
class Stretch:
    """Records that are read one after the other, and the offsets that were lost before them."""

    there: Sequence[Record]
    lost: tuple[int, int] | None = None


def _stretches(stage: Any, logs: Logs, partition: int, unread: Range | None) -> Iterator[Stretch]:
    for topic in stage.inputs:
        records = logs.records[topic, partition]
        if topic != "task-events" or partition or unread is None:
            yield Stretch(records)
            continue
        begin, end = (int(part * len(records)) for part in unread)
        yield Stretch(records[:begin])
        yield Stretch(records[end:], lost=(begin, end))


def calm_run(
    folder: Path, *, seed: int, events: int, agents: int, unread: Range | None = None
) -> None:
    """Call ``run`` in an event loop of its own."""
    (folder / "data").mkdir(parents=True)
    asyncio.run(run(folder, seed=seed, events=events, agents=agents, unread=unread))
