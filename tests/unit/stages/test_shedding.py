"""How many tasks are passed over at which lag, and what is published in their place."""

from typing import Any

import msgspec
import pytest
from tests.support.kafka.topic_in_memory import Record

from gnomon import codec
from gnomon.events import AbsentModel, Completeness, FeatureVector, TaskFeatures
from gnomon.runtime.metrics import Metrics
from gnomon.runtime.partition.ports import LagAware
from gnomon.stages.predicting.shedding import LagBudget
from gnomon.stages.shadow import ShadowStage


class NoModels:
    """Nothing is live: the baselines alone predict."""

    live: tuple[()] = ()

    def status(self) -> dict[str, object]:
        return {}

    def absent(self) -> list[AbsentModel]:
        return []


def features(number: int) -> bytes:
    return codec.encode(
        TaskFeatures(
            agent_id="agent",
            task_id=f"task-{number}",
            task_type="review",
            started_at_ms=1_760_000_000_000 + number,
            features=FeatureVector(),
            completeness=Completeness(hour_seen=1.0),
            estimate_s=5.0,
        )
    )


def a_stage(budget: int) -> ShadowStage:
    models: Any = NoModels()
    return ShadowStage(models, metrics=Metrics(), now_ms=lambda: 0, shed_lag_records=budget)


async def published(stage: ShadowStage, *, waiting: int, tasks: int) -> list[dict[str, Any]]:
    """What becomes of a batch of ``tasks`` while ``waiting`` records wait, itself included."""
    stage.observe_lag(0, waiting)
    outputs = await stage.apply(None, [Record(n, features(n)) for n in range(tasks)])
    assert outputs.dead == []
    return [msgspec.json.decode(value or b"") for _, value in outputs.topic("shadow-predictions")]


@pytest.mark.parametrize(
    ("lags", "passed_over"),
    [
        ([100], [0]),  # at the budget
        ([101], [51]),  # over it: down to half
        ([300, 200, 100, 51, 50, 99, 100], [250, 150, 50, 1, 0, 0, 0]),  # until half, then not
        ([101, 50, 101], [51, 0, 51]),
    ],
)
def test_shedding_begins_over_the_budget_and_ends_at_half(
    lags: list[int], passed_over: list[int]
) -> None:
    budget = LagBudget(100)

    assert [budget.excess(0, lag) for lag in lags] == passed_over


def test_each_partition_has_its_own_budget() -> None:
    budget = LagBudget(100)

    assert budget.excess(1, 1000) == 950
    assert budget.excess(2, 80) == 0
    assert budget.over == [1]


def test_a_budget_of_nothing_means_never() -> None:
    assert LagBudget(0).excess(0, 10**9) == 0


async def test_the_oldest_tasks_are_passed_over_and_accounted_for() -> None:
    found = await published(a_stage(10), waiting=12, tasks=9)

    assert [(f["kind"], f["task_id"]) for f in found] == [
        ("prediction_shed.v1", f"task-{n}") for n in range(7)
    ] + [("prediction.v1", f"task-{n}") for n in (7, 7, 7, 8, 8, 8)]
    assert found[0] == {
        "kind": "prediction_shed.v1",
        "agent_id": "agent",
        "task_id": "task-0",
        "started_at_ms": 1_760_000_000_000,
    }


async def test_it_predicts_again_by_itself() -> None:
    stage = a_stage(10)
    first = await published(stage, waiting=30, tasks=9)
    second = await published(stage, waiting=5, tasks=5)

    assert {f["kind"] for f in first} == {"prediction_shed.v1"}
    assert {f["kind"] for f in second} == {"prediction.v1"}
    assert stage.status()["shedding"] == []


def test_the_runtime_tells_it_the_lag() -> None:
    assert isinstance(a_stage(10), LagAware)
