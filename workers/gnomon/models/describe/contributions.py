"""Measures how much each input adds to the predictions of tree models."""

from typing import Final, Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gnomon.models.estimator import TaskModel
from gnomon.models.explaining.tree_values import FORESTS, is_of_trees, tree_values
from gnomon.models.learners.mix import Mix
from gnomon.models.protocols import Columns, Estimator

Floats = NDArray[np.float64]

LOG_ODDS: Final = "log odds"
PROBABILITY: Final = "probability"
Unit = Literal["log odds", "probability"]


class Contributions(NamedTuple):
    """Shapley values of the inputs of trees, for each of ``n`` tasks.

    A task's values and the mean add up to the trees' prediction: ``log1p`` of seconds, or the success
    in ``success_unit``.

    Attributes:
        inputs: Names of the inputs.
        duration: Values for the duration, shape ``(n, inputs)``.
        duration_mean: The mean to which they are added.
        success: Values for the success; ``None`` if all runs of the training ended alike.
        success_mean: The mean to which they are added.
        success_unit: Log odds, or the probability itself, as the trees compute it.
    """

    inputs: list[str]
    duration: Floats
    duration_mean: float
    success: Floats | None
    success_mean: float
    success_unit: Unit

    def mean_absolute(self) -> pd.DataFrame:
        """Return the mean absolute values: one row for each input, those with the largest first."""
        table = pd.DataFrame({"log_duration": np.abs(self.duration).mean(axis=0)}, self.inputs)
        unit = self.success_unit.replace(" ", "_")
        table[unit] = 0.0 if self.success is None else np.abs(self.success).mean(axis=0)
        return table.rename_axis("input").sort_values("log_duration", ascending=False)


def trees_of(estimator: Estimator) -> TaskModel | None:
    """Return the trees of a model, or of a mix; ``None`` if it has none."""
    model = estimator.boosted_ if isinstance(estimator, Mix) else estimator
    if isinstance(model, TaskModel) and is_of_trees(model.duration_):
        return model
    return None


def contributions(model: TaskModel, columns: Columns, count: int) -> Contributions:
    """Return the Shapley values of trees that ``trees_of`` returned.

    Args:
        model: The trees.
        columns: The tasks, as ``table.columns_of`` returns them.
        count: Number of tasks.
    """
    rows = model.rows_of(columns, count)
    duration, duration_mean = tree_values(model.duration_, rows)
    success, success_mean = None, 0.0
    if model.success_ is not None:
        success, success_mean = tree_values(model.success_, rows)
    return Contributions(
        inputs=model.input_names,
        duration=duration,
        duration_mean=duration_mean,
        success=success,
        success_mean=success_mean,
        success_unit=PROBABILITY if isinstance(model.success_, FORESTS) else LOG_ODDS,
    )
