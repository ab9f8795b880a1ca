"""Explains a ``TaskModel``: trees of any kind, or a linear model, on the inputs of a task."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline

from gnomon.models.estimator import TaskModel
from gnomon.models.explaining.explanations import Additive, InputsExplained, Scale
from gnomon.models.explaining.tree_values import FORESTS, is_of_trees, tree_values
from gnomon.models.protocols import Columns


def explain_task_model(model: object, columns: Columns) -> InputsExplained | None:
    """Explain both quantities; ``None`` if the model is no ``TaskModel``, or of unknown parts."""
    if not isinstance(model, TaskModel):
        return None
    row = model.rows_of(columns, 1)[0]
    names = model.row_names
    duration = _explained(model.duration_, row, names, "log_seconds")
    if model.success_ is None:
        success: Additive | None = Additive(
            scale="probability", base=model.rate_, contributions={}, method="all runs ended alike"
        )
    else:
        is_forest = isinstance(model.success_, FORESTS)
        scale: Scale = "probability" if is_forest else "log_odds"
        success = _explained(model.success_, row, names, scale)
    if duration is None or success is None:
        return None
    longest_s = float(np.expm1(model.longest_)) if np.isfinite(model.longest_) else None
    return InputsExplained(duration=duration, success=success, longest_s=longest_s)


def _explained(
    model: Any, row: NDArray[np.float64], names: list[str], scale: Scale
) -> Additive | None:
    if is_of_trees(model):
        values, base = tree_values(model, row[None, :])
        terms, method = values[0], "SHAP values"
    elif isinstance(model, Pipeline) and hasattr(model[-1], "coef_"):
        base, terms = _linear(model, row)
        method = "coefficient times standardised input"
    else:
        return None
    return Additive(scale=scale, base=base, contributions=_by_name(names, terms), method=method)


def _linear(pipeline: Any, row: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
    standardised = pipeline[:-1].transform(row[None, :])[0]
    model = pipeline[-1]
    return float(np.ravel(model.intercept_)[0]), np.ravel(model.coef_) * standardised


def _by_name(names: list[str], terms: NDArray[np.float64]) -> dict[str, float]:
    """Add up the terms of each name: an input of strings has two."""
    found: dict[str, float] = dict.fromkeys(names, 0.0)
    for name, term in zip(names, terms.tolist(), strict=True):
        found[name] += term
    return found
