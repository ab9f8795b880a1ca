"""Versions come and go while workers crash: what is recorded and judged is exact all the same.

Batches end anywhere. A crash drops the outputs of a batch and the state, as an aborted transaction
does; the next worker begins with an old snapshot and the records up to the committed offsets.
"""

import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from tests.faults.verifying.live_verdict import switch_differences
from tests.unit.comparison.build import finished, started, vector
from tests.unit.stages.test_no_look_ahead import Record
from tests.unit.stages.test_predicting import Live, loaded
from tests.unit.verdict.evidence.test_live import offline_of

from gnomon import codec
from gnomon.events import EvidenceEvent
from gnomon.models.circuit_breaker import CallLimits
from gnomon.records import Outputs
from gnomon.runtime.metrics import Metrics
from gnomon.settings import Settings
from gnomon.stages.comparison import WHOLE_EVERY, ComparisonStage, PartitionState
from gnomon.stages.shadow import ShadowStage
from gnomon.verdict import judge, merge_evidence

TASKS = 300
INPUTS = ("task-events", "task-features", "shadow-predictions")


class Constant:
    """Predicts the same for every task."""

    def __init__(self, duration_s: float) -> None:
        self._duration_s = duration_s

    def predict(self, frame: pd.DataFrame) -> pd.DataFrame:
        return pd.DataFrame(
            {"duration_s": np.full(len(frame), self._duration_s), "success_probability": 0.5}
        )


class Topics:
    """Committed records of one partition."""

    def __init__(self) -> None:
        self.records: dict[str, list[Record]] = {}

    def write(self, outputs: Outputs) -> None:
        for topic, written in outputs.by_topic.items():
            for key, value in written:
                self.append(topic, key, value)

    def append(self, topic: str, key: bytes | None, value: bytes | None) -> None:
        log = self.records.setdefault(topic, [])
        log.append(Record(topic, value, key=key, offset=len(log), timestamp=1 << 41))

    def dump(self, folder: Path) -> None:
        """Write the files of the fault suite's dump."""
        for topic in ("task-features", "shadow-predictions", "model-switches"):
            lines = [
                {"partition": 0, "offset": r.offset, "value": json.loads(r.value or b"null")}
                for r in self.records[topic]
            ]
            (folder / f"{topic}.jsonl").write_text("\n".join(map(json.dumps, lines)) + "\n")


async def shadow(topics: Topics, chance: random.Random) -> int:
    """Predict all tasks; returns how many workers crashed."""
    versions = [loaded(Constant(float(n + 1)), str(n)) for n in range(4)]
    crashes, offset = 0, 0

    def worker() -> ShadowStage:
        models: Any = Live(*chance.sample(versions, chance.randrange(4)))
        # A version must not be given up because this machine is busy.
        limits = CallLimits(budget_ms=0.0)
        return ShadowStage(models, metrics=Metrics(), now_ms=lambda: 0, limits=limits)

    stage = worker()
    stage.new_state(0)
    while offset < len(topics.records["task-features"]):
        if chance.random() < 0.4:
            stage._models.live = tuple(chance.sample(versions, chance.randrange(4)))
        batch = topics.records["task-features"][offset : offset + chance.randrange(1, 12)]
        outputs = await stage.apply(None, batch)
        if chance.random() < 0.3:
            crashes += 1
            stage = worker()
            stage.new_state(0)
        else:
            topics.write(outputs)
            offset = batch[-1].offset + 1
    return crashes


async def compare(topics: Topics, chance: random.Random) -> PartitionState:
    """Join everything, with crashes."""
    stage = ComparisonStage(Settings(), metrics=Metrics())
    state, done = stage.new_state(0), dict.fromkeys(INPUTS, 0)
    saved, saved_at = stage.snapshot(state), dict(done)
    while any(done[topic] < len(topics.records[topic]) for topic in INPUTS):
        batch: list[Record] = []
        ends = dict(done)
        for topic in INPUTS:
            ends[topic] += chance.randrange(30)
            batch += topics.records[topic][done[topic] : ends[topic]]
            ends[topic] = min(ends[topic], len(topics.records[topic]))
        is_tick = chance.random() < 0.3
        outputs = (
            (stage.tick(state, 0) or Outputs()) if is_tick else await stage.apply(state, batch)
        )
        if chance.random() < 0.3:
            stage = ComparisonStage(Settings(), metrics=Metrics())
            state = stage.restore(0, saved)
            for topic in INPUTS:
                await stage.apply(state, topics.records[topic][saved_at[topic] : done[topic]])
            continue
        topics.write(outputs)
        done = done if is_tick else ends
        if chance.random() < 0.3:
            saved, saved_at = stage.snapshot(state), dict(done)
    for _ in range(WHOLE_EVERY):
        topics.write(stage.tick(state, 0) or Outputs())
    return state


def latest(records: Sequence[Record]) -> list[EvidenceEvent]:
    by_key = {record.key: record.value for record in records}
    return [codec.decode_evidence(value) for value in by_key.values() if value is not None]


async def test_switches_ledger_and_verdict_are_exact_under_crashes(tmp_path: Path) -> None:
    for seed in range(3):
        chance, topics = random.Random(seed), Topics()  # noqa: S311
        events = []
        for number in range(TASKS):
            agent, at, took_s = f"agent-{number % 5}", number * 90_000, chance.randrange(1, 3000)
            task = vector(f"t{number}", at, agent=agent)
            topics.append("task-features", agent.encode(), codec.encode(task))
            events.append((at, number, started(f"t{number}", at, agent=agent).value))
            end = at + took_s * 1000
            ended = finished(f"t{number}", end, agent=agent, duration_s=float(took_s))
            events.append((end, TASKS + number, ended.value))
        for _, _, value in sorted(events):
            topics.append("task-events", None, value)

        assert await shadow(topics, chance) > 5
        state = await compare(topics, chance)

        topics.dump(tmp_path)
        assert switch_differences(tmp_path) == []
        assert len(topics.records["model-switches"]) > 20
        ledger = state.state.ledger
        assert ledger is not None
        assert (ledger.predictions, ledger.matched, ledger.incomplete) == (TASKS, TASKS, 0)
        comparisons = [
            codec.decode_comparison(r.value or b"") for r in topics.records["comparisons"]
        ]
        assert len({c.decision_id for c in comparisons}) == len(comparisons) == TASKS
        (evidence,) = merge_evidence(latest(topics.records["verdict-evidence"]))
        found = judge(evidence)
        assert len(found) == 4
        assert found == judge(offline_of(comparisons, tmp_path / "c.jsonl", evidence.settings))
