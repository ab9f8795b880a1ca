"""Measures how much each input adds to the predictions of tree models."""

from collections.abc import Iterator
from typing import Any, Final, Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)

from gnomon.models.describe.shapley import Tree, shapley_values
from gnomon.models.estimator import TaskModel
from gnomon.models.learners.mix import Mix
from gnomon.models.learners.xgboosted import Booster
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
    if isinstance(model, TaskModel) and isinstance(model.duration_, _KINDS):
        return model
    return None


def contributions(model: TaskModel, columns: Columns, count: int) -> Contributions:
    """Return the Shapley values of trees that ``trees_of`` returned.

    Args:
        model: The trees.
        columns: The tasks, as ``table.columns_of`` returns them.
        count: Number of tasks.
    """
    rows = model.inputs_of(columns, count)
    duration, duration_mean = _values(model.duration_, rows)
    success, success_mean = None, 0.0
    if model.success_ is not None:
        success, success_mean = _values(model.success_, rows)
    return Contributions(
        inputs=model.input_names,
        duration=duration,
        duration_mean=duration_mean,
        success=success,
        success_mean=success_mean,
        success_unit=PROBABILITY
        if isinstance(model.success_, RandomForestClassifier)
        else LOG_ODDS,
    )


_KINDS: Final = (Booster, HistGradientBoostingRegressor, RandomForestRegressor)


def _values(model: Any, rows: Floats) -> tuple[Floats, float]:
    if isinstance(model, Booster):
        return model.contributions(rows)
    if isinstance(model, (RandomForestRegressor, RandomForestClassifier)):
        as_trees = rows.astype(np.float32).astype(np.float64)  # forests compare 32-bit floats
        values, mean = shapley_values(_forest(model), as_trees)
        return values / len(model.estimators_), mean / len(model.estimators_)
    values, mean = shapley_values(_boosted(model), rows)
    return values, mean + float(np.ravel(model._baseline_prediction)[0])  # noqa: SLF001  no public name


def _forest(model: Any) -> Iterator[Tree]:
    for estimator in model.estimators_:
        tree = estimator.tree_
        yield Tree(
            left=tree.children_left,
            right=tree.children_right,
            feature=tree.feature,
            threshold=tree.threshold,
            missing_left=tree.missing_go_to_left.astype(np.bool_),
            cover=tree.weighted_n_node_samples,
            value=tree.value[:, 0, -1],  # a regressor's only value, or the share of the last class
        )


def _boosted(
    model: HistGradientBoostingRegressor | HistGradientBoostingClassifier,
) -> Iterator[Tree]:
    for (predictor,) in model._predictors:  # noqa: SLF001  no public name
        nodes = predictor.nodes
        is_leaf = nodes["is_leaf"].astype(np.bool_)
        yield Tree(
            left=np.where(is_leaf, -1, nodes["left"].astype(np.int64)),
            right=nodes["right"].astype(np.int64),
            feature=nodes["feature_idx"].astype(np.int64),
            threshold=nodes["num_threshold"],
            missing_left=nodes["missing_go_to_left"].astype(np.bool_),
            cover=nodes["count"].astype(np.float64),
            value=nodes["value"],
        )
