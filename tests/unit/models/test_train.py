"""From decisions to a model."""

import random

import msgspec
import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from tests.unit.models.runs import PACE, TYPE_S, a_task, runs

from gnomon.errors import ConfigurationError
from gnomon.events import Comparison, FeatureVector, Outcome
from gnomon.models.estimator import Categories, TaskModel
from gnomon.models.learners.catalog import LEARNERS
from gnomon.models.table import to_frame
from gnomon.models.train import train


class Noting:
    """A learner that says one minute of every run, and remembers what it was shown."""

    name = "noting"

    def __init__(self) -> None:
        self.shown: list[list[float]] = []

    def fit(
        self, frame: pd.DataFrame, durations: NDArray[np.float64], successes: NDArray[np.bool_]
    ) -> "Noting":
        assert len(frame) == len(durations) == len(successes)
        self.shown.append(durations.tolist())
        return self

    def predict(self, frame: pd.DataFrame) -> pd.DataFrame:
        return pd.DataFrame({"duration_s": np.full(len(frame), 60.0), "success_probability": 0.75})


class Keeping:
    """Keeps the rows that it is to learn from."""

    rows: NDArray[np.float64]

    def fit(self, rows: NDArray[np.float64], targets: NDArray[np.float64]) -> None:
        self.rows = rows

    def predict(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.zeros(len(rows))


def with_outcome(decision: Comparison, **changes: object) -> Comparison:
    outcome = msgspec.structs.replace(decision.outcome, **changes)
    return msgspec.structs.replace(decision, outcome=outcome)


@pytest.mark.parametrize("name", LEARNERS)
def test_a_model_learns_what_runs_depend_on(name: str) -> None:
    trained = train(runs(250), learner=LEARNERS[name]())

    later = runs(40, seed=2)
    predicted = trained.estimator.predict(to_frame(later, trained.columns))

    truth = [TYPE_S[run.task_type] * PACE[run.agent_id] for run in later]
    assert predicted["duration_s"].to_numpy() == pytest.approx(truth, rel=0.5)
    succeeds = [TYPE_S[run.task_type] < 1_000 for run in later]
    assert (predicted["success_probability"] >= 0.5).tolist() == succeeds
    assert trained.evaluation is not None
    assert trained.evaluation.improvement is not None
    assert trained.evaluation.improvement > 0.5
    assert trained.evaluation.accuracy == 1.0


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


def test_the_evaluation_is_on_later_runs_and_knows_nothing_of_them() -> None:
    decisions = runs(100, gap_ms=100_000)  # long ones overlap with the next
    learner = Noting()

    trained = train(decisions, learner=learner, holdout=0.25)

    began_ms = decisions[75].started_at_ms
    known = [d.outcome.duration_s for d in decisions[:75] if d.outcome.at_ms <= began_ms]
    assert len(known) < 75
    assert learner.shown == [known, [d.outcome.duration_s for d in decisions]]
    assert trained.evaluation is not None
    assert (trained.evaluation.n_train, trained.evaluation.n_eval) == (len(known), 25)


def test_the_figures_of_the_evaluation() -> None:
    decisions = [with_outcome(d, duration_s=100.0, succeeded=True) for d in runs(40)]
    decisions[-1] = with_outcome(decisions[-1], duration_s=64.0, succeeded=False)

    found = train(decisions, learner=Noting(), holdout=0.1).evaluation

    # Four runs: three of 100 s that succeed, one of 64 s that does not; control says 500 s, 0.5.
    assert found is not None
    assert found.mae_s == pytest.approx((40 + 40 + 40 + 4) / 4)
    assert found.control_mae_s == pytest.approx((400 + 400 + 400 + 436) / 4)
    assert found.improvement == pytest.approx(1 - 31 / 409)
    assert (found.accuracy, found.control_accuracy) == (0.75, 0.75)
    assert found.brier == pytest.approx((3 * 0.0625 + 0.5625) / 4)
    assert found.within_25 == 0.25


def test_a_baseline_counts_only_where_it_knows_something() -> None:
    decisions = [
        msgspec.structs.replace(d, features=FeatureVector()) for d in runs(40)
    ]  # control and same-type know nothing of any
    decisions[-1] = with_outcome(decisions[-1], duration_s=64.0, succeeded=False)
    known = FeatureVector(
        agent_avg_execution_time=80.0, agent_success_rate=1.0, same_type_avg_execution_time=65.0
    )
    for at in (-1, -2):
        decisions[at] = msgspec.structs.replace(decisions[at], features=known)
    decisions[-2] = with_outcome(decisions[-2], duration_s=70.0, succeeded=True)

    found = train(decisions, learner=Noting(), holdout=0.1).evaluation

    # It predicts 60 s: errors of 4 and 10 s, where control makes 16 and 10, same-type 1 and 5.
    assert found is not None
    assert found.n_eval == 4
    assert found.control_mae_s == pytest.approx(13.0)
    assert found.improvement == pytest.approx(1 - 7 / 13)
    assert found.control_accuracy == 0.5
    assert found.same_type_mae_s == pytest.approx(3.0)
    assert found.same_type_improvement == pytest.approx(1 - 7 / 3)
    assert found.same_type_brier == pytest.approx(0.5)
    assert (found.type_mae_s, found.type_improvement) == (None, None)


def test_baselines_that_know_nothing_have_no_figures() -> None:
    decisions = [msgspec.structs.replace(d, features=FeatureVector()) for d in runs(40)]

    found = train(decisions, learner=LEARNERS["pool"]()).evaluation

    assert found is not None
    assert (found.control_mae_s, found.control_accuracy, found.improvement) == (None, None, None)
    assert (found.same_type_mae_s, found.same_type_brier) == (None, None)
    assert found.type_mae_s is not None


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


def test_runs_that_all_overlap_are_not_evaluated() -> None:
    trained = train(runs(50, gap_ms=1), learner=Noting())

    assert trained.evaluation is None


@pytest.mark.parametrize("succeeded", [True, False])
def test_runs_that_all_end_alike_can_be_learnt_from(succeeded: bool) -> None:  # noqa: FBT001
    trained = train([with_outcome(d, succeeded=succeeded) for d in runs(40)])

    predicted = trained.estimator.predict(to_frame([a_task()], trained.columns))

    assert predicted["success_probability"].tolist() == [float(succeeded)]


@pytest.mark.parametrize("holdout", [0.0, 1.0, -0.1])
def test_a_holdout_of_all_or_nothing_is_refused(holdout: float) -> None:
    with pytest.raises(ValueError, match="holdout"):
        train(runs(40), holdout=holdout)


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
