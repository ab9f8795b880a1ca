"""Explanations add up to the prediction, and agree with computations of others."""

from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xgboost
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from tests.unit.models.explaining.xgboost_trees import of_xgboost
from tests.unit.models.runs import a_task, runs, tasks
from tests.unit.models.test_predictor import loaded

from gnomon.events import FeatureVector, TaskFeatures
from gnomon.models.explaining import explain
from gnomon.models.explaining.explanations import (
    InputsExplained,
    MixExplained,
    PoolExplained,
)
from gnomon.models.explaining.trees import of_boosting, path_contributions
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
    assert found.duration.method == "decision paths"


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


def test_a_forest_is_explained_by_the_nodes_that_scikit_learn_names() -> None:
    task = a_task(task_type="triage", agent_id="bob")
    model: Any = fitted("forest").estimator
    row = model.rows_of(columns_of([task], fitted("forest").inputs), 1).astype(np.float32)
    expected = np.zeros(row.shape[1])
    for estimator in model.duration_.estimators_:
        tree = estimator.tree_
        nodes = np.flatnonzero(tree.decision_path(row).toarray()[0])  # by depth
        steps = np.diff(tree.value[nodes, 0, 0])
        np.add.at(expected, tree.feature[nodes[:-1]], steps / len(model.duration_.estimators_))

    found = sums("forest", task).duration.contributions
    by_name = pd.Series(expected).groupby(model.row_names).sum()
    assert found == pytest.approx(by_name.to_dict(), abs=1e-12)


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
        found = [of_boosting(model, row) for row in rows[:40]]
        (base,) = {base for base, _ in found}
        assert base == pytest.approx(sums_of[name].mean())
        totals = [base + terms.sum() for base, terms in found]
        assert totals == pytest.approx(sums_of[name][:40].tolist())


@settings(max_examples=20)
@given(
    seed=st.integers(0, 2**32 - 1),
    missing=st.floats(0, 0.6),
)
def test_paths_are_explained_as_xgboost_does_it(seed: int, missing: float) -> None:
    """XGBoost computes the contributions of paths itself: ``approx_contribs``."""
    chance = np.random.default_rng(seed)
    rows = chance.normal(size=(80, 4)).astype(np.float32)
    rows[chance.random(rows.shape) < missing] = np.nan
    targets = np.nan_to_num(rows[:, 0]) * 3 + np.nan_to_num(rows[:, 1]) ** 2
    params = {"max_depth": 3, "nthread": 1, "base_score": 0.0, "seed": 1}
    matrix = xgboost.DMatrix(rows, label=targets, nthread=1)
    booster = xgboost.train(params, matrix, num_boost_round=3)
    expected = booster.predict(matrix, pred_contribs=True, approx_contribs=True)

    table = booster.trees_to_dataframe()
    trees = [of_xgboost(part) for _, part in table.groupby("Tree")]
    for row, terms in zip(rows[:20].astype(np.float64), expected[:20], strict=True):
        found = [path_contributions(tree, row) for tree in trees]
        assert sum(base for base, _ in found) == pytest.approx(terms[-1], abs=1e-4)
        assert np.sum([of for _, of in found], axis=0) == pytest.approx(terms[:-1], abs=1e-4)


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
    part_s = min(trees.duration.prediction, trees.longest_s or np.inf)
    assert part_s == pytest.approx(found.predicted["boosted"][0], rel=1e-4)


def test_a_foreign_estimator_has_no_explanation() -> None:
    class Foreign:
        def predict(self, frame: Any) -> Any:
            raise NotImplementedError

    assert explain(loaded(Foreign()), a_task()) is None
