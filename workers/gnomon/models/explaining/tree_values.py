"""Computes the Shapley values of every kind of tree model that gnomon trains."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)

from gnomon.models.explaining.shapley import shapley_values
from gnomon.models.explaining.trees import boosted_trees, forest_trees
from gnomon.models.learners.xgboosted import Booster

Floats = NDArray[np.float64]

FORESTS: Final = (RandomForestRegressor, RandomForestClassifier)
_BOOSTED: Final = (HistGradientBoostingRegressor, HistGradientBoostingClassifier)


def is_of_trees(model: object) -> bool:
    """Return whether ``tree_values`` can be computed for ``model``."""
    return isinstance(model, (Booster, *FORESTS, *_BOOSTED))


def tree_values(model: Any, rows: Floats) -> tuple[Floats, float]:
    """Return the Shapley value of each input for each row, and the mean to which a row's values are added.

    They add up on the scale of the trees: the mean duration or the probability of a forest's last class;
    the raw sum of boosted trees, which is log odds for a classifier.

    Args:
        model: A model for which ``is_of_trees`` holds.
        rows: The inputs, shape ``(n, inputs)``, with ``nan`` for missing values.

    Returns:
        Values of shape ``(n, inputs)``, and the mean.
    """
    if isinstance(model, Booster):  # XGBoost computes them itself
        found = model.contributions(rows)
        return found[:, :-1], float(found[0, -1]) if len(found) else 0.0
    if isinstance(model, FORESTS):
        as_trees = rows.astype(np.float32).astype(np.float64)  # forests compare 32-bit floats
        values, mean = shapley_values(forest_trees(model), as_trees)
        return values / len(model.estimators_), mean / len(model.estimators_)
    trees, baseline = boosted_trees(model)
    values, mean = shapley_values(trees, rows)
    return values, mean + baseline
