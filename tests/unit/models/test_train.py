"""From decisions to a model."""

import random

import msgspec
import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from tests.unit.models.runs import PACE, TYPE_S, Noting, a_task, runs, with_outcome, with_own_runs

from gnomon.errors import ConfigurationError
from gnomon.events import Outcome
from gnomon.models.estimator import Categories, TaskModel
from gnomon.models.learners.catalog import LEARNERS
from gnomon.models.table import to_frame
from gnomon.models.train import train


class Keeping:
    """Keeps the rows that it is to learn from."""

    rows: NDArray[np.float64]

    def fit(self, rows: NDArray[np.float64], targets: NDArray[np.float64]) -> None:
        self.rows = rows

    def predict(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.zeros(len(rows))


@pytest.mark.parametrize("name", LEARNERS)
def test_a_model_learns_what_runs_depend_on(name: str) -> None:
    known = runs(250)
    trained = train(with_own_runs(known), learner=LEARNERS[name]())

    later = with_own_runs(runs(40, seed=2), before=known)
    predicted = trained.estimator.predict(to_frame(later, trained.columns))

    truth = [TYPE_S[run.task_type] * PACE[run.agent_id] for run in later]
    assert predicted["duration_s"].to_numpy() == pytest.approx(truth, rel=0.5)
    succeeds = [TYPE_S[run.task_type] < 1_000 for run in later]
    assert (predicted["success_probability"] >= 0.5).tolist() == succeeds
    assert trained.evaluation is not None
    mean = trained.evaluation.mean()
    assert mean["control_improvement"] > 0.5
    assert mean["accuracy"] == 1.0


@pytest.mark.parametrize("name", LEARNERS)
def test_the_same_decisions_in_any_order_give_the_same_model(name: str) -> None:
    decisions = runs(80)
    shuffled = random.Random(3).sample(decisions, len(decisions))  # noqa: S311

    first = train(decisions, learner=LEARNERS[name]())
    second = train(shuffled, learner=LEARNERS[name]())

    frame = to_frame(decisions, first.columns)
    assert first.columns == second.columns
    assert first.evaluation == second.evaluation
    pd.testing.assert_frame_equal(
        first.estimator.predict(frame), second.estimator.predict(frame), check_exact=True
    )


def test_only_decisions_with_an_outcome_count() -> None:
    decisions = runs(60)
    expired = [
        msgspec.structs.replace(d, outcome=Outcome(status="expired", at_ms=d.outcome.at_ms))
        for d in decisions[:15]
    ] + [with_outcome(d, status="cancelled") for d in decisions[15:30]]
    learner = Noting()

    trained = train([*expired, *decisions[30:]], learner=learner, min_decisions=30)

    assert trained.decisions == 30
    assert learner.shown[-1] == [d.outcome.duration_s for d in decisions[30:]]
    with pytest.raises(ConfigurationError, match=r"30 of 60 decisions .* needs 31"):
        train([*expired, *decisions[30:]], learner=learner, min_decisions=31)


@pytest.mark.parametrize("count", [0, 1, 19])
def test_too_few_runs_are_refused_whatever_was_asked(count: int) -> None:
    with pytest.raises(ConfigurationError, match=f"{count} of {count} .* needs 20"):
        train(runs(count), min_decisions=1)


def test_runs_that_all_overlap_are_not_evaluated() -> None:
    trained = train(runs(50, gap_ms=1), learner=Noting())

    assert trained.evaluation is None


@pytest.mark.parametrize("succeeded", [True, False])
def test_runs_that_all_end_alike_can_be_learnt_from(succeeded: bool) -> None:  # noqa: FBT001
    trained = train([with_outcome(d, succeeded=succeeded) for d in runs(40)])

    predicted = trained.estimator.predict(to_frame([a_task()], trained.columns))

    assert predicted["success_probability"].tolist() == [float(succeeded)]


def test_what_a_run_is_learnt_from_does_not_hold_its_own_outcome() -> None:
    frame = pd.DataFrame({"task_type": ["a", "b"] * 10, "agent_runs": np.arange(20.0)})
    successes = np.zeros(20, dtype=np.bool_)
    rows = []
    for own_s in (1.0, 1_000_000.0):
        durations = np.full(20, 60.0)
        durations[7] = own_s
        learner = Keeping()
        TaskModel(learner, learner).fit(frame, durations, successes)
        rows.append(learner.rows)

    first, second = rows
    assert first[7].tolist() == second[7].tolist()
    assert first.tolist() != second.tolist()


def test_a_category_is_smoothed_towards_the_overall_mean() -> None:
    strings = ["a"] * 5 + ["b"] * 15
    targets = np.array([[4.0]] * 5 + [[0.0]] * 15)

    means = Categories().fit(strings, targets).transform(["a", "b", "new", None])

    # The overall mean is 1: five rows of 4 and five of 1; fifteen of 0 and five of 1.
    assert means.tolist() == [[2.5], [0.25], [1.0], [1.0]]
