"""One version more, or a broken one, changes nothing for baselines, other versions and the ledger."""

import asyncio
import re
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.kafka.topic_in_memory import Record
from tests.unit.comparison import build
from tests.unit.stages.test_predicting import Live, Minute, a_task, loaded

from gnomon import codec
from gnomon.models.circuit_breaker import CallLimits
from gnomon.runtime.metrics import Metrics
from gnomon.stages.shadow import ShadowStage

LIMITS = CallLimits(grace_s=60.0, failures_in_a_row=2, pause_s=10.0)
"""The first call in a test imports scikit-learn, which takes seconds; a worker has loaded it before."""


@dataclass
class Moody:
    """Fails in the batches in which ``fails`` says so; afterwards never."""

    fails: list[bool] = field(default_factory=list)

    def predict(self, frame: pd.DataFrame) -> pd.DataFrame:
        if self.fails and self.fails.pop(0):
            raise RuntimeError("no")
        return pd.DataFrame({"duration_s": np.full(len(frame), 9.0), "success_probability": 0.5})


class Rig:
    """A shadow stage whose clock stands still."""

    def __init__(self, live: Live) -> None:
        models: Any = live
        self.now_s = 0.0
        self.stage = ShadowStage(
            models,
            metrics=Metrics(),
            now_ms=lambda: 0,
            limits=LIMITS,
            clock_s=lambda: self.now_s,
        )

    async def batch(self, *offsets: int) -> tuple[list[bytes], list[dict[str, Any]]]:
        """The predictions of a batch of tasks, and the switches that it tells of."""
        tasks = [a_task(task_id=f"t{n}", started_at_ms=build.T0 + n) for n in offsets]
        records = [Record(n, codec.encode(t)) for n, t in zip(offsets, tasks, strict=True)]
        outputs = await self.stage.apply(None, records)
        return (
            [value or b"" for _, value in outputs.topic("shadow-predictions")],
            [msgspec.json.decode(value or b"") for _, value in outputs.topic("model-switches")],
        )


async def test_a_skipped_version_is_absent_with_its_reason_until_a_trial_succeeds() -> None:
    rig = Rig(Live(loaded(Minute(), "1"), loaded(Moody([True, True, True]), "2")))
    both, one = ["1", "2"], ["1"]
    told = []
    for offset in range(4):
        told += (await rig.batch(offset))[1]
    rig.now_s = 10.0
    told += (await rig.batch(4))[1]  # the trial fails
    rig.now_s = 30.0
    told += (await rig.batch(5))[1]  # the trial succeeds

    assert [(t["offset"], [m["version"] for m in t["models"]]) for t in told] == [
        (0, both),
        (2, one),
        (5, both),
    ]
    assert told[1]["absent"] == [
        {
            "model": "gnomon",
            "version": "2",
            "sha256": "sha-2",
            "state": "skipped",
            "reason": "2 calls in a row went wrong, the last with RuntimeError",
        }
    ]
    assert told[0]["absent"] == told[2]["absent"] == []


async def test_a_failing_prediction_is_no_refused_model() -> None:
    rig = Rig(Live(loaded(Moody([True, True]), "2")))
    for offset in range(3):
        await rig.batch(offset)

    status: Any = rig.stage.status()
    assert status["calls"][0]["state"] == "open"
    assert status["calls"][0]["calls"]["failed"] == 2
    assert "refused" not in status  # which the versions' source would add
    assert list(rig.stage.degraded()) == [
        "version 2 is skipped: 2 calls in a row went wrong, the last with RuntimeError"
    ]
    shown = rig.stage._metrics.exposition()[0].decode()
    assert not re.search(r"^gnomon_models_refused_total\{.*\} [1-9]", shown, re.M)


def others(predictions: list[bytes]) -> list[dict[str, Any]]:
    """All but those of version 2, without the number of predictors."""
    decoded = map(msgspec.json.decode, predictions)
    return [{**p, "predictors": None} for p in decoded if p["version"] != "2"]


@settings(max_examples=25)
@given(fails=st.lists(st.booleans(), max_size=12), sizes=st.lists(st.integers(1, 3), min_size=1))
def test_the_others_predict_the_same_and_the_ledger_adds_up(
    fails: list[bool], sizes: list[int]
) -> None:
    asyncio.run(_check_others_and_ledger(fails, sizes))


async def _check_others_and_ledger(fails: list[bool], sizes: list[int]) -> None:
    alone = Rig(Live(loaded(Minute(), "1")))
    beside = Rig(Live(loaded(Minute(), "1"), loaded(Moody(list(fails)), "2")))
    records, offset, predicted_by_2 = [], 0, 0
    for size in sizes:
        offsets = range(offset, offset + size)
        offset += size
        alone.now_s = beside.now_s = beside.now_s + 4.0
        expected, _ = await alone.batch(*offsets)
        # A batch whose transaction was aborted leaves nothing, and is predicted again.
        if size == 2:
            await beside.batch(*offsets)
        found, _ = await beside.batch(*offsets)
        assert others(found) == others(expected)
        predicted_by_2 += len(found) - len(expected)
        for n in offsets:
            records += [build.started(f"t{n}", n), build.features(f"t{n}", n)]
        records += [build.Record(build.PREFIX + "shadow-predictions", value) for value in found]
    ends = [build.finished(f"t{n}", n) for n in range(offset)]

    seen = build.run(records, ends, settings=build.config(expire_after_ms=100_000))

    assert (seen.ledger.predictions, seen.ledger.matched) == (offset, offset)
    assert (seen.ledger.pending, seen.ledger.incomplete) == (0, 0)
    versions = [p.version for c in seen.comparisons for p in c.predictions]
    assert versions.count("1") == offset
    assert versions.count("2") == predicted_by_2
    beside.stage._calls.close()
    alone.stage._calls.close()
