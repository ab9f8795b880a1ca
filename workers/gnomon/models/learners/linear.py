"""Defines a linear model whose coefficients can be read."""

from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from gnomon.models.estimator import TaskModel

_STEEPEST: Final = 5.0
"""Largest absolute value of a standardised input: one extreme value must not decide alone."""


class Linear:
    """Ridge regression of the logarithm of the duration, logistic regression of success."""

    name: Final = "linear"

    def fit(
        self, frame: pd.DataFrame, durations: NDArray[np.float64], successes: NDArray[np.bool_]
    ) -> TaskModel:
        """Fit the model. This takes about 30 ms for 2,700 rows; a prediction call takes 1 ms."""
        return TaskModel(
            _standardised(Ridge(alpha=1.0)),
            _standardised(LogisticRegression(C=1.0, max_iter=1_000)),
            logarithmic=True,
        ).fit(frame, durations, successes)


def _standardised(model: Any) -> Pipeline:
    return Pipeline(
        [
            ("impute", SimpleImputer(strategy="median", keep_empty_features=True)),
            ("scale", StandardScaler()),
            ("model", model),
        ]
    )


def coefficients(model: TaskModel) -> pd.DataFrame:
    """Return the effect of one standard deviation of each input.

    Args:
        model: A model that ``Linear`` made.

    Returns:
        One row for each input, by its name, and ``intercept``; columns ``log_duration`` (an addition to
        ``log1p`` of seconds) and ``log_odds`` of success, which is 0 where all runs ended alike.
        A category has two inputs: the mean log duration and the success rate of its runs.
    """
    names = [*model.input_names, "intercept"]
    columns = {"log_duration": _of(model.duration_)}
    columns["log_odds"] = np.zeros(len(names)) if model.success_ is None else _of(model.success_)
    return pd.DataFrame(columns, index=names)


def _of(pipeline: Any) -> NDArray[np.float64]:
    model = pipeline.named_steps["model"]
    return np.append(np.ravel(model.coef_), model.intercept_)
