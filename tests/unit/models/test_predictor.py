"""A version in memory."""

import math
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.models.runs import a_task, runs, tasks
from threadpoolctl import threadpool_info  # type: ignore[import-untyped]

from gnomon.events import TaskFeatures
from gnomon.models.predictor import LoadedModel
from gnomon.models.table import COLUMNS, Task, to_frame
from gnomon.models.train import train

BOTH = ("duration_s", "success_probability")


class Saying:
    """Says what it was told to."""

    def __init__(self, said: Any) -> None:
        self._said = said

    def predict(self, frame: pd.DataFrame) -> Any:
        return self._said


def loaded(estimator: Any, outputs: tuple[str, ...] = BOTH) -> LoadedModel:
    return LoadedModel(
        name="gnomon", version="1", sha256="", estimator=estimator, inputs=COLUMNS, outputs=outputs
    )


@lru_cache
def a_real_one() -> LoadedModel:
    trained = train(runs(120))
    return LoadedModel(
        name="gnomon",
        version="1",
        sha256="",
        estimator=trained.estimator,
        inputs=trained.columns,
        outputs=trained.outputs,
    )


@settings(max_examples=30, deadline=None)
@given(st.lists(tasks, min_size=1, max_size=6))
def test_a_prediction_is_its_tasks_own_and_in_range(given_tasks: list[TaskFeatures]) -> None:
    model = a_real_one()

    together = model.predict(given_tasks)

    assert together == [model.predict([task])[0] for task in given_tasks]
    for duration_s, probability in together:
        assert duration_s is not None
        assert 0.0 <= duration_s < math.inf
        assert probability is not None
        assert 0.0 <= probability <= 1.0


@pytest.mark.parametrize(
    ("said", "prediction"),
    [
        ((5.0, 0.5), (5.0, 0.5)),
        ((-5.0, -0.5), (0.0, 0.0)),
        ((5.0, 1.5), (5.0, 1.0)),
        ((math.nan, 0.5), (None, 0.5)),
        ((math.inf, math.nan), (None, None)),
        ((-math.inf, 0.5), (None, 0.5)),
    ],
)
def test_what_cannot_be_is_not_said(
    said: tuple[float, float], prediction: tuple[float | None, float | None]
) -> None:
    model = loaded(Saying(np.array([[7.0, 0.25], said])))

    assert model.predict([a_task(), a_task()]) == [(7.0, 0.25), prediction]


def test_it_says_what_its_estimator_says_of_a_frame() -> None:
    """Without a frame, and missing and unknown strings among the columns."""
    asked: list[Task] = [*runs(40, seed=9), a_task(task_type="never seen")]
    trained = train(runs(120))
    model = LoadedModel(
        name="gnomon",
        version="1",
        sha256="",
        estimator=trained.estimator,
        inputs=trained.columns,
        outputs=BOTH,
    )

    frame = trained.estimator.predict(to_frame(asked, trained.columns))

    assert model.predict(asked) == list(frame.itertuples(index=False, name=None))


def test_outputs_are_found_by_name() -> None:
    swapped = loaded(Saying(np.array([[0.25, 7.0]])), ("success_probability", "duration_s"))
    only = loaded(Saying(np.array([7.0])), ("duration_s",))

    assert swapped.predict([a_task()]) == [(7.0, 0.25)]
    assert only.predict([a_task()]) == [(7.0, None)]


@pytest.mark.parametrize("said", [np.zeros((2, 2)), np.zeros((1, 3)), np.zeros(1), np.zeros(2)])
def test_a_model_that_loses_count_is_not_believed(said: Any) -> None:
    with pytest.raises(ValueError, match="shape"):
        loaded(Saying(said)).predict([a_task()])


def test_no_tasks_need_no_model() -> None:
    assert loaded(Saying(None)).predict([]) == []


def test_a_model_computes_in_one_thread() -> None:
    class Looking:
        threads: tuple[int, ...] = ()

        def predict(self, frame: pd.DataFrame) -> Any:
            self.threads = tuple(
                pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "openmp"
            )
            return np.array([[1.0, 0.5]])

    looking = Looking()
    loaded(looking).predict([a_task()])

    assert looking.threads
    assert set(looking.threads) == {1}
