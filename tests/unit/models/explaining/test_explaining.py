"""Explanations add up to the prediction, and agree with computations of others."""

from functools import lru_cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from tests.unit.models.runs import a_task, runs, tasks
from tests.unit.models.test_predictor import loaded

from gnomon.events import FeatureVector, TaskFeatures
from gnomon.models.describe.contributions import contributions, trees_of
from gnomon.models.explaining import explain
from gnomon.models.explaining.explanations import (
    InputsExplained,
    MixExplained,
    PoolExplained,
)
from gnomon.models.explaining.tree_values import tree_values
from gnomon.models.learners.catalog import LEARNERS
from gnomon.models.predictor import LoadedModel
from gnomon.models.runs import outcomes_of
from gnomon.models.table import COLUMNS, columns_of, context_columns, to_frame
from gnomon.models.threads import one_thread

HISTORY = runs(120)
SUMS = ("boosted", "forest", "linear", "xgboost")


@lru_cache
def fitted(learner: str) -> LoadedModel:
    columns = (*COLUMNS, *context_columns(HISTORY))
    with one_thread():
        estimator = LEARNERS[learner]().fit(to_frame(HISTORY, columns), *outcomes_of(HISTORY))
    return LoadedModel(
        name="gnomon",
        version="1",
        sha256="",
        estimator=estimator,
        inputs=columns,
        outputs=("duration_s", "success_probability"),
    )


def sums(learner: str, task: TaskFeatures) -> InputsExplained:
    found = explain(fitted(learner), task)
    assert isinstance(found, InputsExplained)
    return found


@pytest.mark.parametrize("learner", SUMS)
@settings(max_examples=25)
@given(task=tasks)
def test_base_and_contributions_add_up_to_the_prediction(learner: str, task: TaskFeatures) -> None:
    found = sums(learner, task)
    ((duration_s, probability),) = fitted(learner).predict([task])

    # XGBoost adds up 32-bit floats.
    tolerance = 1e-4 if learner == "xgboost" else 1e-9
    longest_s = found.longest_s or np.inf
    assert min(found.duration.prediction, longest_s) == pytest.approx(duration_s, rel=tolerance)
    assert found.success.prediction == pytest.approx(probability, rel=tolerance, abs=tolerance)
    assert set(found.duration.contributions) <= {name for name, _ in fitted(learner).inputs}


def test_an_input_that_no_tree_uses_contributes_nothing_and_the_type_most() -> None:
    found = sums("boosted", a_task(task_type="migrate", agent_id="bob"))
    terms = found.duration.contributions

    # The context tells the type too.
    assert max(terms, key=lambda name: abs(terms[name])) in {"task_type", "context_chars"}
    assert terms["success_rate_1h"] == 0.0  # the same in all runs
    assert found.duration.method == "SHAP values"


@pytest.mark.parametrize("learner", ["boosted", "forest", "xgboost"])
def test_the_values_of_one_task_are_those_stored_at_training(learner: str) -> None:
    """``gnomon explain`` and ``gnomon train`` use one method; strings have two inputs each."""
    task = a_task(task_type="triage", agent_id="bob")
    model = trees_of(fitted(learner).estimator)
    assert model is not None
    at_training = contributions(model, columns_of([task], fitted(learner).inputs), 1)
    expected = dict.fromkeys(model.row_names, 0.0)
    for name, value in zip(model.row_names, at_training.duration[0].tolist(), strict=True):
        expected[name] += value
    assert sums(learner, task).duration.contributions == pytest.approx(expected)


def test_a_linear_model_adds_coefficients_times_standardised_inputs() -> None:
    task = a_task(task_type="migrate", context={"chars": 700, "language": "go"})
    model: Any = fitted("linear").estimator
    found = sums("linear", task).duration

    pipeline = model.duration_
    row = model.rows_of(columns_of([task], fitted("linear").inputs), 1)[0]
    filled = np.where(np.isnan(row), pipeline[0].statistics_, row)
    terms = (filled - pipeline[1].mean_) / pipeline[1].scale_ * pipeline[2].coef_
    at = model.row_names.index("context_chars")
    assert found.contributions["context_chars"] == pytest.approx(terms[at])
    strings = [t for t, name in zip(terms, model.row_names, strict=True) if name == "task_type"]
    assert len(strings) == 2
    assert found.contributions["task_type"] == pytest.approx(sum(strings))


def test_the_base_of_boosted_trees_is_the_mean_over_the_training_rows() -> None:
    """Leaves are adjusted to the median after a tree has grown; the means above them follow."""
    chance = np.random.default_rng(7)
    rows = chance.normal(size=(300, 4))
    rows[chance.random(rows.shape) < 0.2] = np.nan
    targets = np.nan_to_num(rows[:, 0]) * 3 + chance.standard_cauchy(300)
    shape = {"max_iter": 20, "max_leaf_nodes": 6, "early_stopping": False, "random_state": 1}
    with one_thread():
        duration = HistGradientBoostingRegressor(loss="absolute_error", **shape).fit(rows, targets)
        success = HistGradientBoostingClassifier(**shape).fit(rows, targets > 0)
        sums_of = {"duration": duration.predict(rows), "success": success.decision_function(rows)}

    for name, model in (("duration", duration), ("success", success)):
        values, base = tree_values(model, rows[:40])
        assert base == pytest.approx(sums_of[name].mean())
        assert base + values.sum(axis=1) == pytest.approx(sums_of[name][:40])


def pooled(task: TaskFeatures) -> PoolExplained:
    found = explain(fitted("pool"), task)
    assert isinstance(found, PoolExplained)
    return found


def test_a_pool_names_the_runs_and_their_weights() -> None:
    """Weights: 1 for each of 3 own runs, 0.04 for each run of bob, 0.1 for the agent's last runs."""
    of_bob = sum((run.agent_id, run.task_type) == ("bob", "review") for run in HISTORY)
    vector = FeatureVector(
        same_type_runs=3,
        same_type_avg_execution_time=50.0,
        same_type_success_rate=2 / 3,
        agent_avg_execution_time=200.0,
        agent_success_rate=0.5,
    )
    found = pooled(a_task(features=vector))

    total = 3.0 + 0.04 * of_bob + 0.1 + 1e-6
    assert [(g.source, g.agent_id, g.runs) for g in found.groups] == [
        ("own", None, 3),
        ("others", "bob", of_bob),
        ("agent", None, None),
        ("all", None, None),
    ]
    assert [g.weight * total for g in found.groups] == pytest.approx(
        [3.0, 0.04 * of_bob, 0.1, 1e-6]
    )
    assert [g.duration_s for g in found.groups][0::2] == pytest.approx([50.0, 200.0])
    assert found.decided_by == "own"
    assert found.groups[1].success_rate == 1.0  # short types always succeed in these runs


@settings(max_examples=40)
@given(task=tasks)
def test_the_groups_of_a_pool_make_the_prediction(task: TaskFeatures) -> None:
    found = pooled(task)
    ((duration_s, probability),) = fitted("pool").predict([task])
    assert duration_s is not None

    assert sum(g.weight for g in found.groups) == pytest.approx(1.0)
    assert sum(g.success_weight for g in found.groups) == pytest.approx(1.0)
    rate = sum(g.success_weight * g.success_rate for g in found.groups)
    assert rate == pytest.approx(probability, abs=1e-12)
    # Groups that are wholly below the median have at most half of the weight, and so above it.
    single = [g for g in found.groups if g.source != "others"]
    below = sum(g.weight for g in single if g.duration_s < duration_s * (1 - 1e-9))
    above = sum(g.weight for g in single if g.duration_s > duration_s * (1 + 1e-9))
    assert max(below, above) <= 0.5 + 1e-6
    if not found.decided_by.startswith("others"):
        (deciding,) = [g for g in found.groups if g.source == found.decided_by]
        assert deciding.duration_s == pytest.approx(duration_s)


@settings(max_examples=25)
@given(task=tasks)
def test_a_mix_is_its_parts_by_their_weights(task: TaskFeatures) -> None:
    found = explain(fitted("mix"), task)
    assert isinstance(found, MixExplained)
    ((duration_s, probability),) = fitted("mix").predict([task])

    assert found.same_type_runs == min(task.features.same_type_runs, 2)
    mixed = [
        sum(
            (found.predicted[part][at] or 0.0) * weights[at]
            for part, weights in found.weights.items()
        )
        for at in range(2)
    ]
    assert mixed == pytest.approx([duration_s, probability], rel=1e-4)  # five digits
    trees, pool = found.parts["boosted"], found.parts["pool"]
    assert isinstance(trees, InputsExplained)
    assert isinstance(pool, PoolExplained)
    low_s, high_s = found.within_s
    part_s = min(max(min(trees.duration.prediction, trees.longest_s or np.inf), low_s), high_s)
    assert part_s == pytest.approx(found.predicted["boosted"][0], rel=1e-4)


def test_a_foreign_estimator_has_no_explanation() -> None:
    class Foreign:
        def predict(self, frame: Any) -> Any:
            raise NotImplementedError

    assert explain(loaded(Foreign()), a_task()) is None
