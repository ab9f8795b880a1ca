"""Makes scikit-learn's trees, in a ``TaskModel``, with one thread and one seed."""

from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)

from gnomon.models.estimator import TaskModel


class Boosted:
    """Makes gradient-boosted trees. Durations minimise the absolute error, by which they are judged."""

    name: Final = "boosted"

    def __init__(self, *, seed: int = 0) -> None:
        self._seed = seed

    def fit(
        self, frame: pd.DataFrame, durations: NDArray[np.float64], successes: NDArray[np.bool_]
    ) -> TaskModel:
        """Fit the trees. This takes about 0.4 s for 2,700 rows; a prediction call 2 ms and 5 µs a row."""
        duration = HistGradientBoostingRegressor(
            loss="absolute_error",
            learning_rate=0.06,
            max_iter=120,
            max_leaf_nodes=15,
            min_samples_leaf=5,
            early_stopping=False,
            random_state=self._seed,
        )
        success = HistGradientBoostingClassifier(
            learning_rate=0.06,
            max_iter=60,
            max_leaf_nodes=8,
            min_samples_leaf=10,
            max_features=0.5,
            l2_regularization=5.0,
            early_stopping=False,
            random_state=self._seed,
        )
        return TaskModel(duration, success, seed=self._seed).fit(frame, durations, successes)


class Forest:
    """Makes random forests, which need little tuning."""

    name: Final = "forest"

    def __init__(self, *, seed: int = 0) -> None:
        self._seed = seed

    def fit(
        self, frame: pd.DataFrame, durations: NDArray[np.float64], successes: NDArray[np.bool_]
    ) -> TaskModel:
        """Fit the forests. This takes about 0.8 s for 2,700 rows; a prediction call 2 ms and 6 µs a row."""
        of = {"n_estimators": 50, "min_samples_leaf": 3, "max_features": 0.5, "n_jobs": 1}
        duration = RandomForestRegressor(**of, random_state=self._seed)
        success = RandomForestClassifier(**of, random_state=self._seed)
        return TaskModel(duration, success, seed=self._seed).fit(frame, durations, successes)
