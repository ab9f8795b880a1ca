"""How a learner is judged on later runs, recomputed with scikit-learn."""

import math

import msgspec
import numpy as np
import pytest
from sklearn.metrics import accuracy_score, brier_score_loss, mean_absolute_error
from tests.unit.models.runs import Noting, runs, with_outcome

from gnomon.events import Comparison, FeatureVector, ModelPrediction
from gnomon.models.evaluation import Evaluation, Plan
from gnomon.models.learners.catalog import LEARNERS
from gnomon.models.train import train


def evaluated(decisions: list[Comparison], **given: object) -> Evaluation:
    found = train(decisions, learner=Noting(), **given).evaluation  # type: ignore[arg-type]
    assert found is not None
    return found


def test_the_model_of_an_origin_knows_only_runs_that_had_ended() -> None:
    decisions = runs(100, gap_ms=100_000)  # long ones overlap with the next
    learner = Noting()

    trained = train(decisions, learner=learner, plan=Plan(origins=2, share=0.25))

    expected = []
    for begin in (50, 75):
        began_ms = decisions[begin].started_at_ms
        known = [d for d in decisions[:begin] if d.outcome.at_ms <= began_ms]
        assert len(known) < begin
        expected.append([d.outcome.duration_s for d in known])
    assert learner.shown == [*expected, [d.outcome.duration_s for d in decisions]]
    assert [list(origin.runs) for origin in trained.held_out] == [decisions[50:75], decisions[75:]]


def test_later_runs_change_no_figure_of_an_earlier_origin() -> None:
    decisions = runs(100)
    poisoned = decisions[:80] + [with_outcome(d, duration_s=1e9) for d in decisions[80:]]
    plan = Plan(origins=3, share=0.2)

    before, after = (
        train(given, learner=LEARNERS["pool"](), plan=plan).evaluation
        for given in (decisions, poisoned)
    )

    assert before is not None
    assert after is not None
    assert before.origins[:2] == after.origins[:2]
    assert before.origins[2] != after.origins[2]


def test_the_metrics_of_an_origin() -> None:
    decisions = runs(40)
    found = evaluated(decisions, plan=Plan(share=0.25)).origins[0]

    later = decisions[30:]
    actual = [d.outcome.duration_s for d in later]
    succeeded = [bool(d.outcome.succeeded) for d in later]
    logs = [min(abs(math.log((y or 0) + 1) - math.log(61)), math.log(10)) for y in actual]
    assert (found.n_train, found.n_eval) == (30, 10)
    assert found.mae_s == pytest.approx(mean_absolute_error(actual, [60.0] * 10))
    assert found.log_error == pytest.approx(np.mean(logs))
    assert found.accuracy == pytest.approx(accuracy_score(succeeded, [True] * 10))
    assert found.brier == pytest.approx(brier_score_loss(succeeded, [0.75] * 10))
    assert found.within_25 == pytest.approx(
        np.mean([abs((y or 0) - 60) <= (y or 0) / 4 for y in actual])
    )
    control = found.beside["control"]  # 500 s and one half for every run
    assert control.n == 10
    assert control.mae_s == pytest.approx(mean_absolute_error(actual, [500.0] * 10))
    assert control.improvement == pytest.approx(1 - found.mae_s / (control.mae_s or 0))
    assert control.brier == pytest.approx(brier_score_loss(succeeded, [0.5] * 10))
    assert control.brier_improvement == pytest.approx(1 - (found.brier or 0) / (control.brier or 0))


def test_a_rival_counts_only_where_it_predicts() -> None:
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

    found = evaluated(decisions, plan=Plan(share=0.1)).origins[0]

    # It predicts 60 s: errors of 4 and 10 s, where control makes 16 and 10, same-type 1 and 5.
    control, same_type = found.beside["control"], found.beside["same-type"]
    assert found.n_eval == 4
    assert control.n == 2
    assert control.mae_s == pytest.approx(13.0)
    assert control.improvement == pytest.approx(1 - 7 / 13)
    assert control.accuracy == 0.5
    assert same_type.mae_s == pytest.approx(3.0)
    assert same_type.improvement == pytest.approx(1 - 7 / 3)
    assert same_type.brier == pytest.approx(0.5)
    assert "type" not in found.beside  # the model has no table


def test_baselines_that_know_nothing_have_no_figures() -> None:
    decisions = [msgspec.structs.replace(d, features=FeatureVector()) for d in runs(40)]

    found = train(decisions, learner=LEARNERS["pool"]()).evaluation

    assert found is not None
    control = found.origins[0].beside["control"]
    assert (control.n, control.mae_s, control.accuracy, control.improvement) == (
        0,
        None,
        None,
        None,
    )
    assert "control_mae_s" not in found.mean()
    assert "type_mae_s" in found.mean()


def test_a_baseline_without_error_has_no_improvement() -> None:
    exact = [
        msgspec.structs.replace(
            d,
            features=FeatureVector(
                agent_avg_execution_time=d.outcome.duration_s,
                agent_success_rate=float(d.outcome.succeeded or 0),
            ),
        )
        for d in runs(40)
    ]

    for name in ("control", "same-type"):
        rival = evaluated(exact).origins[0].beside[name]
        assert (rival.mae_s, rival.brier, rival.accuracy) == (0.0, 0.0, 1.0)
        improvements = (rival.improvement, rival.log_improvement, rival.brier_improvement)
        assert improvements == (None, None, None)


def test_the_mean_and_the_spread_are_those_of_the_origins() -> None:
    found = evaluated(runs(100), plan=Plan(origins=4, share=0.1))

    errors = [origin.mae_s for origin in found.origins]
    assert len(set(errors)) == 4
    assert found.mean()["mae_s"] == pytest.approx(np.mean(errors))
    assert found.spread()["mae_s"] == pytest.approx(np.std(errors, ddof=1))
    assert (found.mean()["n_eval"], found.mean()["control_n"], found.mean()["n_train"]) == (
        40,
        40,
        90,
    )
    assert not {"n_eval", "n_train", "control_n"} & found.spread().keys()
    assert evaluated(runs(100)).spread() == {}


def test_the_version_that_would_be_replaced_is_judged_by_what_it_predicted_then() -> None:
    def predicted(run: Comparison, number: int) -> Comparison:
        table = ModelPrediction(model="type", version="0", sha256="old", duration_s=1.0)
        own = ModelPrediction(
            model="gnomon", version="3", sha256="old", duration_s=100.0, success_probability=1.0
        )
        return msgspec.structs.replace(run, predictions=[table, own][: 1 + number % 2])

    decisions = [predicted(run, number) for number, run in enumerate(runs(40))]

    found = evaluated(decisions, plan=Plan(share=0.25), current_sha256="old").origins[0]

    then = [d for number, d in enumerate(decisions) if number >= 30 and number % 2]
    actual = [d.outcome.duration_s for d in then]
    current = found.beside["current"]
    assert current.n == len(then) == 5
    assert current.mae_s == pytest.approx(mean_absolute_error(actual, [100.0] * 5))
    assert current.improvement == pytest.approx(
        1 - mean_absolute_error(actual, [60.0] * 5) / (current.mae_s or 0)
    )
    assert current.brier == pytest.approx(
        brier_score_loss([bool(d.outcome.succeeded) for d in then], [1.0] * 5)
    )


@pytest.mark.parametrize(("origins", "share"), [(0, 0.2), (1, 0.0), (1, 1.0), (5, 0.2), (1, -0.1)])
def test_a_plan_that_leaves_nothing_is_refused(origins: int, share: float) -> None:
    with pytest.raises(ValueError, match="origins"):
        Plan(origins=origins, share=share)


def test_origins_with_too_few_runs_before_them_are_left_out() -> None:
    found = evaluated(runs(40), plan=Plan(origins=4, share=0.2))

    assert [origin.n_train for origin in found.origins] == [24, 32]
