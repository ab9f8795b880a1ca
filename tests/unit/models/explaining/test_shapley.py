"""What each input adds to a prediction of trees, beside XGBoost's own values and the definition."""

import itertools
import math

import numpy as np
import pytest
import xgboost
from numpy.typing import NDArray
from tests.unit.models.explaining.xgboost_trees import of_xgboost
from tests.unit.models.runs import runs

from gnomon.models.describe.contributions import contributions, trees_of
from gnomon.models.explaining.shapley import shapley_values
from gnomon.models.explaining.trees import LEAF, Tree
from gnomon.models.learners.catalog import LEARNERS
from gnomon.models.runs import outcomes_of
from gnomon.models.table import COLUMNS, columns_of, to_frame

Floats = NDArray[np.float64]


def some_rows(count: int, *, seed: int = 1) -> Floats:
    chance = np.random.default_rng(seed)
    rows = chance.normal(size=(count, 6)).astype(np.float32).astype(np.float64)
    rows[chance.random(rows.shape) < 0.1] = np.nan
    return rows


def test_the_values_are_xgboosts() -> None:
    rows = some_rows(400)
    known = np.nan_to_num(rows)
    target = known[:, 0] * known[:, 1] + np.abs(known[:, 2]) - known[:, 0]
    booster = xgboost.train(
        {"max_depth": 5, "nthread": 1, "base_score": 0.0, "tree_method": "exact"},
        xgboost.DMatrix(rows, label=target, nthread=1),
        num_boost_round=12,
    )

    trees = [of_xgboost(part) for _, part in booster.trees_to_dataframe().groupby("Tree")]
    found, mean = shapley_values(trees, rows)

    expected = booster.predict(xgboost.DMatrix(rows, nthread=1), pred_contribs=True)
    assert found == pytest.approx(expected[:, :-1], abs=1e-4)
    assert mean == pytest.approx(expected[0, -1], abs=1e-4)


def test_the_values_are_those_of_the_definition() -> None:
    # x0 is asked twice on one path; x1 is missing in one of the rows.
    tree = Tree(
        left=np.array([1, 3, -1, 5, -1, -1, -1]),
        right=np.array([2, 4, -1, 6, -1, -1, -1]),
        feature=np.array([0, 1, LEAF, 0, LEAF, LEAF, LEAF]),
        threshold=np.array([0.0, 0.5, 0.0, -1.0, 0.0, 0.0, 0.0]),
        missing_left=np.array([True, False, False, True, False, False, False]),
        cover=np.array([100.0, 60.0, 40.0, 45.0, 15.0, 9.0, 36.0]),
        value=np.array([0.0, 0.0, 3.0, 0.0, -1.0, 7.0, 2.0]),
    )
    rows = np.array([[-2.0, 0.0], [-0.5, np.nan], [1.0, 1.0], [np.nan, 0.2]])

    def expected_value(row: Floats, known: frozenset[int], node: int = 0) -> float:
        if tree.left[node] == -1:
            return float(tree.value[node])
        children = int(tree.left[node]), int(tree.right[node])
        feature = int(tree.feature[node])
        if feature in known:
            goes_left = (
                tree.missing_left[node]
                if np.isnan(row[feature])
                else row[feature] <= tree.threshold[node]
            )
            return expected_value(row, known, children[0 if goes_left else 1])
        return sum(
            float(tree.cover[child] / tree.cover[node]) * expected_value(row, known, child)
            for child in children
        )

    def shapley(row: Floats, feature: int) -> float:
        others = [f for f in range(2) if f != feature]
        return sum(
            math.factorial(size) * math.factorial(1 - size) / math.factorial(2)
            * (expected_value(row, frozenset({*known, feature})) - expected_value(row, frozenset(known)))
            for size in range(2)
            for known in itertools.combinations(others, size)
        )  # fmt: skip

    found, mean = shapley_values([tree], rows)

    assert found.tolist() == [[pytest.approx(shapley(row, f)) for f in range(2)] for row in rows]
    assert mean == pytest.approx(expected_value(rows[0], frozenset()))


@pytest.mark.parametrize("name", ["boosted", "forest", "mix", "xgboost"])
def test_the_values_add_up_to_the_prediction(name: str) -> None:
    decisions = runs(150)
    model = trees_of(LEARNERS[name]().fit(to_frame(decisions), *outcomes_of(decisions)))
    assert model is not None
    columns = columns_of(decisions[:40], COLUMNS)

    found = contributions(model, columns, 40)

    predicted = model.predict_columns(columns, 40)
    assert found.duration_mean + found.duration.sum(axis=1) == pytest.approx(
        np.log1p(predicted[:, 0]), abs=1e-4
    )
    assert found.success is not None
    success = found.success_mean + found.success.sum(axis=1)
    if found.success_unit == "log odds":
        success = 1.0 / (1.0 + np.exp(-success))
    assert success == pytest.approx(predicted[:, 1], abs=1e-4)
    table = found.mean_absolute()
    assert table.index[0] == "task_type: log duration"
    assert (table.loc["success_rate_1h"] == 0.0).all()  # it is the same for all


@pytest.mark.parametrize("name", ["pool", "linear"])
def test_models_without_trees_have_no_such_values(name: str) -> None:
    decisions = runs(60)
    assert trees_of(LEARNERS[name]().fit(to_frame(decisions), *outcomes_of(decisions))) is None
