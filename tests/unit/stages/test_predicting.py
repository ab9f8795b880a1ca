"""What the shadow stage publishes of each task: every baseline and every live version."""

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from tests.support.kafka.topic_in_memory import Record

from gnomon import codec
from gnomon.events import AbsentModel, Completeness, FeatureVector, TaskFeatures
from gnomon.models.circuit_breaker import CallLimits
from gnomon.models.learners.type_table import TypeTable
from gnomon.models.predictor import LoadedModel
from gnomon.models.protocols import Estimates
from gnomon.models.table import COLUMNS
from gnomon.runtime.metrics import Metrics
from gnomon.stages.shadow import ShadowStage

NOW_MS = 1_767_262_500_000
BOTH = ("duration_s", "success_probability")
UNLIMITED = CallLimits(budget_ms=0.0)


class Minute:
    """One minute and a fair chance, of parts that disagree."""

    def predict(self, frame: pd.DataFrame) -> pd.DataFrame:
        raise AssertionError("it predicts columns")

    def predict_columns(self, columns: Any, count: int) -> NDArray[np.float64]:
        return self.estimate(columns, count, ()).values

    def estimate(self, columns: Any, count: int, levels: Sequence[float]) -> Estimates:
        parts = {
            "one": np.full((count, 2), [90.123456, 1.0]),
            "two": np.full((count, 2), [30.0, np.nan]),
        }
        quantiles = np.full((count, len(levels)), np.nan)
        return Estimates(np.full((count, 2), [60.0, 0.5]), quantiles, parts)


class Knowing:
    """Predicts nothing much, but knows types."""

    def __init__(self, duration_s: float) -> None:
        self.type_table_ = TypeTable().fit(["review"], np.array([duration_s]), np.array([True]))

    def predict(self, frame: pd.DataFrame) -> pd.DataFrame:
        return pd.DataFrame({"duration_s": np.full(len(frame), 1.0), "success_probability": 1.0})


class Failing:
    def predict(self, frame: pd.DataFrame) -> pd.DataFrame:
        raise RuntimeError("no")


def loaded(estimator: Any, version: str) -> LoadedModel:
    return LoadedModel(
        name="gnomon",
        version=version,
        sha256=f"sha-{version}",
        estimator=estimator,
        inputs=COLUMNS,
        outputs=BOTH,
    )


class Live:
    def __init__(self, *models: LoadedModel) -> None:
        self.live: Sequence[LoadedModel] = models

    def status(self) -> dict[str, object]:
        return {}

    def absent(self) -> list[AbsentModel]:
        return []

    def degraded(self) -> list[str]:
        return []


def a_task(**changes: object) -> TaskFeatures:
    given: dict[str, Any] = {
        "agent_id": "ada",
        "task_id": "t",
        "task_type": "review",
        "started_at_ms": 1_760_000_000_000,
        "features": FeatureVector(),
        "completeness": Completeness(hour_seen=1.0),
    }
    return TaskFeatures(**(given | changes))


async def published(live: Live, *tasks: TaskFeatures) -> list[dict[str, Any]]:
    models: Any = live
    stage = ShadowStage(models, metrics=Metrics(), now_ms=lambda: NOW_MS, limits=UNLIMITED)
    records = [Record(n, codec.encode(task)) for n, task in enumerate(tasks)]
    outputs = await stage.apply(None, records)
    assert outputs.dead == []
    return [msgspec.json.decode(value or b"") for _, value in outputs.topic("shadow-predictions")]


def shown(record: dict[str, Any]) -> tuple[Any, ...]:
    names = ("model", "version", "sha256", "duration_s", "success_probability")
    return tuple(record[name] for name in names)


async def test_of_an_agent_nobody_knows_every_baseline_says_nothing() -> None:
    found = await published(Live(), a_task())

    assert [shown(f) for f in found] == [
        ("control", "0", None, None, None),
        ("same-type", "0", None, None, None),
        ("type", "0", None, None, None),
    ]
    assert [f["predictors"] for f in found] == [3, 3, 3]


async def test_baselines_come_first_and_all_who_predict_are_counted() -> None:
    vector = FeatureVector(
        avg_execution_time_1h=20.0, success_rate_1h=0.25, same_type_avg_execution_time=40.0
    )

    found = await published(Live(loaded(Minute(), "3")), a_task(features=vector))

    assert [shown(f) for f in found] == [
        ("control", "0", None, 20.0, 0.25),
        ("same-type", "0", None, 40.0, 0.25),
        ("type", "0", None, None, None),
        ("gnomon", "3", "sha-3", 60.0, 0.5),
    ]
    assert {f["predictors"] for f in found} == {4}


async def test_what_the_parts_of_a_mix_said_is_recorded_in_few_digits() -> None:
    *_, found = await published(Live(loaded(Minute(), "3")), a_task())

    assert found["parts"] == {"one": [90.123, 1.0], "two": [30.0, None]}


async def test_the_type_is_told_from_the_newest_version_that_knows_types() -> None:
    live = Live(loaded(Knowing(90.0), "9"), loaded(Knowing(100.0), "10"), loaded(Minute(), "11"))

    found = await published(live, a_task(), a_task(task_id="u", task_type="never seen"))

    of_type = [shown(f) for f in found if f["model"] == "type"]
    assert of_type == [("type", "0", "sha-10", 100.0, 1.0), ("type", "0", "sha-10", None, None)]


async def test_a_version_that_fails_says_nothing() -> None:
    found = await published(Live(loaded(Failing(), "1"), loaded(Minute(), "2")), a_task())

    assert [f["version"] for f in found] == ["0", "0", "0", "2", "1"]
    assert {f["predictors"] for f in found} == {5}
    assert (found[-1]["duration_s"], found[-1]["success_probability"]) == (None, None)


async def switches(stage: ShadowStage, offset: int, partition: int = 0) -> list[Any]:
    """What a batch of one task at ``offset`` tells of the versions that predict."""
    record = Record(offset, codec.encode(a_task(task_id=str(offset))), partition=partition)
    outputs = await stage.apply(None, [record])
    return [
        (key, msgspec.json.decode(value or b"")) for key, value in outputs.topic("model-switches")
    ]


async def test_the_offset_from_which_a_version_predicts_is_told_once_a_partition() -> None:
    live = Live()
    models: Any = live
    stage = ShadowStage(models, metrics=Metrics(), now_ms=lambda: NOW_MS, limits=UNLIMITED)
    none_live = {
        "kind": "model_switched.v1",
        "partition": 0,
        "offset": 5,
        "at_ms": NOW_MS,
        "models": [],
        "absent": [],
    }
    version_3 = [{"model": "gnomon", "version": "3", "sha256": "sha-3"}]

    assert await switches(stage, 5) == [(b"0", none_live)]
    assert await switches(stage, 6) == []
    live.live = (loaded(Minute(), "3"),)
    assert await switches(stage, 7) == [(b"0", none_live | {"offset": 7, "models": version_3})]
    assert await switches(stage, 8) == []
    ((key, other),) = await switches(stage, 70, partition=4)
    assert (key, other["partition"], other["offset"]) == (b"4", 4, 70)


async def test_what_may_not_have_been_committed_is_told_again() -> None:
    models: Any = Live(loaded(Minute(), "3"))
    stage = ShadowStage(models, metrics=Metrics(), now_ms=lambda: NOW_MS, limits=UNLIMITED)
    await switches(stage, 5)

    stage.new_state(0)
    assert len(await switches(stage, 5)) == 1
    stage.restore(0, b"")
    assert len(await switches(stage, 5)) == 1
