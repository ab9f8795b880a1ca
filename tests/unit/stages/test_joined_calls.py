"""One call of a model predicts what several partitions wait for; each gets its own part."""

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from tests.support.polling import eventually
from tests.unit.models.runs import a_task

from gnomon.comparison.intervals.calibration import CorrectionTable
from gnomon.comparison.intervals.corrections import Corrections
from gnomon.events import TaskFeatures
from gnomon.models.circuit_breaker import CallLimits
from gnomon.models.predictor import LoadedModel, Predictions
from gnomon.models.table import Task
from gnomon.runtime.metrics import Metrics
from gnomon.stages.predicting.joined_calls import MOST_TASKS, JoinedCalls
from gnomon.stages.predicting.model_calls import Called, ModelCalls
from gnomon.stages.predicting.predictors import Predictor

NONE: CorrectionTable = Corrections().of("none", 0)
LIMITS = CallLimits(budget_ms=0.0, failures_in_a_row=3)


@dataclass
class Model:
    """Predicts the number in a task's id as its seconds; raises for ``bad``; waits for ``gate``."""

    sha256: str = "sha"
    name: str = "m"
    version: str = "1"
    bad: frozenset[str] = frozenset()
    gate: threading.Event = field(default_factory=threading.Event)
    made: list[list[str]] = field(default_factory=list)

    def predict_whole(self, tasks: Sequence[Task], levels: Sequence[float]) -> Predictions:
        self.made.append([task.task_id for task in cast("Sequence[TaskFeatures]", tasks)])
        assert self.gate.wait(10.0)
        if self.bad & set(self.made[-1]):
            raise ValueError("a task that this model cannot predict")
        return Predictions([(float(task_id[1:]), 0.5) for task_id in self.made[-1]])


@asynccontextmanager
async def joined() -> AsyncIterator[tuple[JoinedCalls, Metrics]]:
    metrics = Metrics()
    calls = ModelCalls(LIMITS, metrics=metrics, clock_s=asyncio.get_running_loop().time)
    made = JoinedCalls(calls)
    yield made, metrics
    made.close()
    calls.close()


def batch(*numbers: int) -> list[Task]:
    return [a_task(task_id=f"t{number}") for number in numbers]


def ask(
    calls: JoinedCalls, model: Model, tasks: Sequence[Task]
) -> "asyncio.Task[Called[Predictor]]":
    return asyncio.create_task(calls.predict(cast("LoadedModel", model), tasks, NONE))


def seconds(called: Called[Predictor]) -> Any:
    return called.value and [figures[0] for figures in called.value.predictions.figures]


async def first_under_way(
    calls: JoinedCalls, model: Model, *others: Sequence[Task]
) -> "list[asyncio.Task[Called[Predictor]]]":
    """Ask for one task, and for ``others`` while the call for it is under way."""
    asked = [ask(calls, model, batch(0))]
    await eventually(lambda: len(model.made) == 1, what="the first call")
    asked += [ask(calls, model, tasks) for tasks in others]
    await asyncio.sleep(0)  # they are asked now
    return asked


async def test_batches_that_wait_are_predicted_in_one_call() -> None:
    model = Model()
    async with joined() as (calls, metrics):
        asked = await first_under_way(calls, model, batch(1, 2), batch(3), batch(4, 5, 6))
        model.gate.set()
        found = await asyncio.gather(*asked)
        shown = metrics.exposition()[0].decode()

    assert model.made == [["t0"], ["t1", "t2", "t3", "t4", "t5", "t6"]]
    assert [seconds(each) for each in found] == [[0.0], [1.0, 2.0], [3.0], [4.0, 5.0, 6.0]]
    assert '\ngnomon_model_calls_total{status="predicted",version="1"} 2.0\n' in shown


async def test_a_task_that_cannot_be_predicted_costs_its_own_batch_only() -> None:
    model = Model(bad=frozenset({"t3"}))
    async with joined() as (calls, metrics):
        asked = await first_under_way(calls, model, batch(1, 2), batch(3, 4), batch(5))
        model.gate.set()
        found = await asyncio.gather(*asked)
        shown = metrics.exposition()[0].decode()

    assert [seconds(each) for each in found] == [[0.0], [1.0, 2.0], None, [5.0]]
    assert model.made[2:] == [["t1", "t2"], ["t3", "t4"], ["t5"]]
    assert '\ngnomon_predictions_missing_total{reason="failed",version="1"} 2.0\n' in shown


async def test_a_model_that_always_raises_is_skipped() -> None:
    model = Model(bad=frozenset(f"t{number}" for number in range(100)))
    model.gate.set()
    async with joined() as (calls, _):
        asked = [ask(calls, model, batch(number)) for number in range(8)]
        found = await asyncio.gather(*asked)

    reason = "3 calls in a row went wrong, the last with ValueError"
    assert [each.skipped for each in found[3:]] == [reason] * 5
    assert all(each.value is None for each in found)


async def test_a_batch_that_nobody_waits_for_is_not_predicted() -> None:
    model = Model()
    async with joined() as (calls, _):
        asked = await first_under_way(calls, model, batch(1), batch(2))
        asked[1].cancel()
        await asyncio.wait([asked[1]])
        model.gate.set()
        assert seconds(await asked[2]) == [2.0]

    assert model.made == [["t0"], ["t2"]]


async def test_a_call_has_a_bounded_number_of_tasks() -> None:
    model = Model()
    size = MOST_TASKS // 2
    async with joined() as (calls, _):
        batches = [batch(*range(start, start + size)) for start in range(0, 3 * size, size)]
        asked = await first_under_way(calls, model, *batches)
        model.gate.set()
        await asyncio.gather(*asked)

    assert [len(made) for made in model.made] == [1, 2 * size, size]


async def test_whoever_waits_is_cancelled_with_the_calls() -> None:
    model = Model()
    async with joined() as (calls, _):
        asked = await first_under_way(calls, model, batch(1))
        calls.close()
        await asyncio.wait(asked)
        model.gate.set()

    with pytest.raises(asyncio.CancelledError):
        await asked[1]
