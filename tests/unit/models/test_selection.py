"""A new model beside the recorded predictions of the challenger, recomputed with numpy."""

import math

import msgspec
import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from tests.unit.models.runs import runs

from gnomon.events import Comparison, ModelPrediction
from gnomon.models.evaluation import Plan, splits
from gnomon.models.runs import usable_runs
from gnomon.models.selection import Selection, select


class Constant:
    """An estimator that says the same of every task."""

    def __init__(self, duration_s: float, probability: float) -> None:
        self.duration_s, self.probability = duration_s, probability

    def predict(self, frame: pd.DataFrame) -> pd.DataFrame:
        return pd.DataFrame(
            {"duration_s": self.duration_s, "success_probability": self.probability},
            index=frame.index,
        )


class Says:
    """A learner of ``Constant``; it notes how many runs it was given."""

    name = "says"

    def __init__(self, duration_s: float, probability: float) -> None:
        self.estimator = Constant(duration_s, probability)
        self.rows: list[int] = []

    def fit(
        self, frame: pd.DataFrame, durations: NDArray[np.float64], successes: NDArray[np.bool_]
    ) -> Constant:
        self.rows.append(len(frame))
        return self.estimator


def recorded(
    count: int, *, duration_s: float | None, probability: float | None, every: int = 1
) -> list[Comparison]:
    """Runs of which every ``every``-th was predicted by the challenger ``old``."""
    said = ModelPrediction(
        model="gnomon",
        version="1",
        sha256="old",
        duration_s=duration_s,
        success_probability=probability,
    )
    return [
        msgspec.structs.replace(run, predictions=[said] if number % every == 0 else [])
        for number, run in enumerate(runs(count))
    ]


def selected(decisions: list[Comparison], learner: Says, *, share: float = 0.2) -> Selection:
    """Compare a model of ``learner`` with the challenger ``old`` on the last ``share`` of the runs."""
    held_out = list(splits(usable_runs(decisions), learner, Plan(share=share)))
    return select(held_out[-1] if held_out else None, current_sha256="old")


def losses(
    decisions: list[Comparison], duration_s: float, probability: float
) -> tuple[float, float]:
    actual = np.array([d.outcome.duration_s for d in decisions], dtype=float)
    success = np.array([d.outcome.succeeded for d in decisions], dtype=float)
    error = np.minimum(np.abs(np.log((duration_s + 1) / (actual + 1))), math.log(10))
    return float(error.mean()), float(((probability - success) ** 2).mean())


def test_both_are_judged_on_the_same_last_runs() -> None:
    decisions = recorded(400, duration_s=100.0, probability=0.5)

    found = selected(decisions[::-1], Says(300.0, 0.9), share=0.25)

    last = decisions[300:]
    assert found.n == 100
    assert (found.duration_loss, found.brier) == pytest.approx(losses(last, 300.0, 0.9))
    assert (found.current_duration_loss, found.current_brier) == pytest.approx(
        losses(last, 100.0, 0.5)
    )


@pytest.mark.parametrize(
    ("new", "old", "is_better"),
    [
        ((300.0, 0.7), (300.0, 0.7), True),
        ((300.0, 0.7), (5.0, 0.0), True),
        ((5.0, 0.0), (300.0, 0.7), False),
    ],
)
def test_the_better_one_wins_and_the_newer_one_where_they_are_alike(
    new: tuple[float, float], old: tuple[float, float], *, is_better: bool
) -> None:
    decisions = recorded(400, duration_s=old[0], probability=old[1])
    assert selected(decisions, Says(*new)).is_better is is_better


def test_only_runs_that_the_challenger_predicted_whole_are_compared() -> None:
    decisions = recorded(600, duration_s=100.0, probability=0.5, every=2)
    assert selected(decisions, Says(300.0, 0.9), share=0.25).n == 75
    half = recorded(600, duration_s=100.0, probability=None)
    assert selected(half, Says(300.0, 0.9)).n == 0


@pytest.mark.parametrize("count", [0, 10, 200])
def test_too_few_common_runs_take_the_newer_model(count: int) -> None:
    decisions = recorded(count, duration_s=100.0, probability=0.5)
    found = selected(decisions, Says(5.0, 0.0))
    assert found.is_better
    assert found.duration_loss is None
