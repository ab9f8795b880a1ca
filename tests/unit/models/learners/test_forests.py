"""The short way through a forest is held against scikit-learn's own, bit for bit."""

import numpy as np
import pytest
from sklearn.ensemble import (
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)

from gnomon.models.learners import forests

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


def test_other_models_are_asked_as_they_are() -> None:
    boosted = HistGradientBoostingRegressor(max_iter=5).fit(ROWS, FIGURES)

    assert forests.regression(boosted, ASKED).tolist() == boosted.predict(ASKED).tolist()
