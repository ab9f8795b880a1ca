"""The short way through a forest is held against scikit-learn's own, bit for bit."""

from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)

from gnomon.models.learners import forests
from gnomon.models.learners.boosting import raw_prediction

DRAW = np.random.default_rng(4)
ROWS = np.where(DRAW.random((300, 6)) < 0.1, np.nan, DRAW.normal(size=(300, 6)))
FIGURES = np.nan_to_num(ROWS[:, 0]) * 3 + DRAW.normal(size=300)
ASKED = np.where(DRAW.random((40, 6)) < 0.3, np.nan, DRAW.normal(size=(40, 6)))
OF = {"n_estimators": 7, "min_samples_leaf": 3, "random_state": 0}


@pytest.mark.parametrize("count", [1, 7, 40])
def test_a_regressor_gives_the_same_bits(count: int) -> None:
    forest = RandomForestRegressor(**OF).fit(ROWS, FIGURES)

    assert forests.regression(forest, ASKED[:count]).tolist() == (
        forest.predict(ASKED[:count]).tolist()
    )


@pytest.mark.parametrize("count", [1, 7, 40])
def test_a_classifier_gives_the_same_bits(count: int) -> None:
    forest = RandomForestClassifier(**OF).fit(ROWS, FIGURES > 0)

    assert forests.probability(forest, ASKED[:count]).tolist() == (
        forest.predict_proba(ASKED[:count])[:, 1].tolist()
    )


def test_rows_of_another_width_are_refused() -> None:
    forest = RandomForestRegressor(**OF).fit(ROWS, FIGURES)

    with pytest.raises(ValueError, match="features"):
        forests.regression(forest, ASKED[:, :4])


BOOSTED = {"max_iter": 40, "early_stopping": False, "random_state": 0}
EDGES = np.vstack([ASKED, np.full((1, 6), np.inf), np.full((1, 6), -np.inf), ROWS])


@pytest.mark.parametrize("count", [1, 7, len(EDGES)])
@pytest.mark.parametrize("leaves", [2, 8, 15, 16])
def test_boosted_trees_give_the_same_bits(count: int, leaves: int) -> None:
    of = {**BOOSTED, "max_leaf_nodes": leaves, "min_samples_leaf": 3}
    duration = HistGradientBoostingRegressor(loss="absolute_error", **of).fit(ROWS, FIGURES)
    success = HistGradientBoostingClassifier(**of).fit(ROWS, FIGURES > 0)
    asked = EDGES[-count:]

    assert raw_prediction(duration, asked) is not None
    assert forests.regression(duration, asked).tolist() == duration.predict(asked).tolist()
    expected = success.predict_proba(asked)[:, 1].tolist()
    assert raw_prediction(success, asked) is not None
    assert forests.probability(success, asked).tolist() == expected


def test_a_value_equal_to_a_threshold_goes_the_same_way() -> None:
    whole = np.round(ROWS)
    of = {**BOOSTED, "max_leaf_nodes": 15}
    model = HistGradientBoostingRegressor(loss="absolute_error", **of).fit(whole, FIGURES)
    asked = np.unique(np.concatenate([p[0].nodes["num_threshold"] for p in model._predictors]))
    rows = np.repeat(asked[:, None], 6, axis=1)

    assert raw_prediction(model, rows) is not None

    assert forests.regression(model, rows).tolist() == model.predict(rows).tolist()


def test_trees_without_a_comparison_give_the_same_bits() -> None:
    of = {**BOOSTED, "min_samples_leaf": 200}
    model = HistGradientBoostingRegressor(loss="absolute_error", **of).fit(ROWS, FIGURES)

    assert raw_prediction(model, ASKED) is not None
    assert forests.regression(model, ASKED).tolist() == model.predict(ASKED).tolist()


@pytest.mark.parametrize(
    "of",
    [
        {"max_leaf_nodes": 31},
        {"loss": "squared_error"},
        {"loss": "absolute_error", "categorical_features": [5]},
        {"loss": "poisson"},
    ],
)
def test_models_of_other_forms_are_asked_as_they_are(of: dict[str, Any]) -> None:
    rows = np.column_stack([ROWS[:, :5], np.arange(300) % 7])
    model = HistGradientBoostingRegressor(**{**BOOSTED, **of}).fit(rows, np.exp(FIGURES / 9))

    assert forests.regression(model, rows).tolist() == model.predict(rows).tolist()


def test_many_classes_are_asked_as_they_are() -> None:
    model = HistGradientBoostingClassifier(**BOOSTED).fit(ROWS, np.arange(300) % 3)

    assert raw_prediction(model, ASKED) is None
    assert forests.probability(model, ASKED).tolist() == model.predict_proba(ASKED)[:, 1].tolist()
