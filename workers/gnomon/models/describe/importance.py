"""Measures how much worse a model predicts later runs if one of its inputs is shuffled.

L. Breiman, "Random forests", Machine Learning 45 (2001), section 10, computed by scikit-learn.
"""

from collections.abc import Mapping
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.inspection import permutation_importance

from gnomon.models.evaluation import HeldOut, log_errors
from gnomon.models.protocols import DURATION, SUCCESS, Estimator
from gnomon.models.runs import outcomes_of
from gnomon.models.table import to_frame

MOST_RUNS: Final = 500
"""Most runs, the last ones, on which the importance is measured: it takes many predictions."""
REPEATS: Final = 5


class _Fitted:
    """Gives an estimator the method that scikit-learn requires of one; it is never called."""

    def __init__(self, estimator: Estimator) -> None:
        self.predict = estimator.predict

    def fit(self) -> None:
        raise NotImplementedError


def importance(held_out: HeldOut, *, seed: int = 0) -> pd.DataFrame:
    """Return the increase of the model's losses on its later runs when a column is shuffled.

    Args:
        held_out: A model, and runs that it was not trained on.
        seed: Seed of the shuffling.

    Returns:
        One row for each input column, the most important first; columns ``log_error`` and, if the
        model predicts probabilities, ``brier``: the mean increase over ``REPEATS`` shuffles; and the
        standard deviation of each, ``log_error_sd`` and ``brier_sd``.
    """
    runs = held_out.runs[-MOST_RUNS:]
    frame = to_frame(runs, held_out.columns)
    found = permutation_importance(
        _Fitted(held_out.estimator),
        frame,
        np.column_stack(outcomes_of(runs)),
        scoring=_scores,
        n_repeats=REPEATS,
        random_state=seed,
    )
    table = pd.DataFrame(index=pd.Index(frame.columns, name="input"))
    for name, of_loss in found.items():
        table[name] = of_loss.importances_mean
        table[f"{name}_sd"] = of_loss.importances_std
    return table.sort_values("log_error", ascending=False, kind="stable")


def _scores(
    model: _Fitted, frame: pd.DataFrame, actual: NDArray[np.float64]
) -> Mapping[str, float]:
    """Return the negative losses, as scikit-learn requires larger scores to be better."""
    predicted = model.predict(frame)
    durations = predicted[DURATION].to_numpy(np.float64)
    scores = {"log_error": -float(log_errors(durations, actual[:, 0]).mean())}
    if SUCCESS in predicted:
        probability = predicted[SUCCESS].to_numpy(np.float64)
        scores["brier"] = -float(np.mean((probability - actual[:, 1]) ** 2))
    return scores
