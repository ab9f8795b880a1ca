"""Fits and evaluates a model on decisions.

A model is judged on runs that began after all runs of its training data had ended, as in production.
Then it is fitted again on all runs.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import msgspec
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gnomon.errors import ConfigurationError
from gnomon.events import Comparison
from gnomon.models import baselines
from gnomon.models.learners.catalog import DEFAULT, LEARNERS
from gnomon.models.protocols import (
    DURATION,
    SUCCESS,
    Estimator,
    HasTypeTable,
    Learner,
    LearnsFromRecord,
)
from gnomon.models.table import COLUMNS, Column, context_columns, to_frame
from gnomon.models.threads import one_thread

MIN_DECISIONS = 20
"""Least number of finished runs for a training."""


class Evaluation(msgspec.Struct, frozen=True, kw_only=True):
    """Metrics of a model and of the baselines on the same last runs.

    Errors are in seconds. ``improvement`` is 1 minus the ratio of the model's error to that of control,
    over the runs for which control predicts. ``same_type_improvement`` and ``type_improvement`` are
    the same for the other baselines. Each is ``None`` if the baseline predicts nothing or makes no
    error. ``within_25`` is the share of runs whose predicted duration is wrong by at most a quarter of
    the actual one; ``brier`` is the mean squared error of the probability. A model that predicts no
    probability has no metrics of it.
    """

    n_train: int
    n_eval: int
    mae_s: float
    control_mae_s: float | None
    improvement: float | None
    within_25: float
    accuracy: float | None
    control_accuracy: float | None
    brier: float | None
    same_type_mae_s: float | None = None
    same_type_improvement: float | None = None
    same_type_brier: float | None = None
    type_mae_s: float | None = None
    type_improvement: float | None = None
    type_brier: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """A fitted model, with all that its registration needs.

    Attributes:
        columns: The input columns; ``outputs`` are the names of the columns that it predicts.
        evaluation: ``None`` if too few runs had ended before the held-out ones began.
        until_ms: End of the last run of the training data, epoch milliseconds.
    """

    estimator: Estimator
    learner: str
    columns: tuple[Column, ...]
    outputs: tuple[str, ...]
    decisions: int
    until_ms: int
    evaluation: Evaluation | None


def train(
    decisions: Sequence[Comparison],
    *,
    learner: Learner | None = None,
    holdout: float = 0.2,
    min_decisions: int = MIN_DECISIONS,
) -> Trained:
    """Fit ``learner`` (by default ``mix``) on the matched decisions.

    Args:
        decisions: In any order.
        learner: Makes the estimator.
        holdout: Share of the runs used for the evaluation: those that started last.
        min_decisions: Least number of decisions with an outcome.

    Raises:
        ConfigurationError: Too few decisions have an outcome.
        ValueError: ``holdout`` is not above 0 and below 1.
    """
    if not 0.0 < holdout < 1.0:
        raise ValueError(f"holdout must be between 0 and 1, got {holdout}")
    learner = learner or LEARNERS[DEFAULT]()
    runs = usable_runs(decisions)
    needed = max(min_decisions, MIN_DECISIONS)
    if len(runs) < needed:
        raise ConfigurationError(
            f"{len(runs)} of {len(decisions)} decisions have an outcome; training needs {needed}"
        )
    with one_thread():
        evaluation = _evaluate(runs, learner, holdout=holdout)
        columns = (*COLUMNS, *context_columns(runs))
        frame = to_frame(runs, columns)
        estimator = _recalling(learner, runs).fit(frame, *outcomes_of(runs))
        outputs = tuple(estimator.predict(frame.head(1)))
    return Trained(
        estimator=estimator,
        learner=learner.name,
        columns=columns,
        outputs=outputs,
        decisions=len(runs),
        until_ms=max(run.outcome.at_ms for run in runs),
        evaluation=evaluation,
    )


def usable_runs(decisions: Sequence[Comparison]) -> list[Comparison]:
    """Return the decisions with a complete outcome, in an order that does not depend on the input's."""
    matched = [
        decision
        for decision in decisions
        if decision.outcome.status == "matched"
        and decision.outcome.duration_s is not None
        and math.isfinite(decision.outcome.duration_s)
        and decision.outcome.succeeded is not None
    ]
    return sorted(matched, key=lambda run: (run.started_at_ms, run.decision_id))


def outcomes_of(runs: Sequence[Comparison]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return durations in seconds and successes, each of shape ``(n,)``."""
    durations = np.array([run.outcome.duration_s for run in runs], dtype=np.float64)
    return durations, np.array([run.outcome.succeeded for run in runs], dtype=np.bool_)


def _recalling(learner: Learner, runs: Sequence[Comparison]) -> Learner:
    """Return ``learner``, fitted to the recorded predictions of ``runs`` if it uses them."""
    return learner.with_record(runs) if isinstance(learner, LearnsFromRecord) else learner


class HeldOut(NamedTuple):
    """The last runs, with the predictions of a model that was trained on none of them.

    Attributes:
        runs: The runs on which the model is judged.
        known: The runs on which it was fitted; all had ended when the first of ``runs`` began.
        estimator: The fitted model.
        predicted: Its predictions, one row for each of ``runs``.
    """

    runs: Sequence[Comparison]
    known: Sequence[Comparison]
    estimator: Estimator
    predicted: pd.DataFrame


def held_out(runs: Sequence[Comparison], learner: Learner, *, share: float) -> HeldOut | None:
    """Fit on the runs that had ended when the last ``share`` of the runs began, and predict these.

    Args:
        runs: The runs that ``usable_runs`` returned.
        learner: Makes the model.
        share: Share of the runs, above 0 and below 1.

    Returns:
        ``None`` if fewer than ``MIN_DECISIONS`` had ended by then.
    """
    later = runs[len(runs) - max(1, round(len(runs) * share)) :]
    began_ms = later[0].started_at_ms
    known = [run for run in runs if run.outcome.at_ms <= began_ms and run.started_at_ms < began_ms]
    if len(known) < MIN_DECISIONS:
        return None
    columns = (*COLUMNS, *context_columns(known))
    estimator = _recalling(learner, known).fit(to_frame(known, columns), *outcomes_of(known))
    return HeldOut(later, known, estimator, estimator.predict(to_frame(later, columns)))


def _evaluate(runs: Sequence[Comparison], learner: Learner, *, holdout: float) -> Evaluation | None:
    """Evaluate the model and the baselines on the last runs."""
    found = held_out(runs, learner, share=holdout)
    if found is None:
        return None
    rules = {
        "control": [baselines.control(run) for run in found.runs],
        "same_type": [baselines.same_type(run) for run in found.runs],
    }
    if isinstance(found.estimator, HasTypeTable):
        types = [run.task_type for run in found.runs]
        rules["type"] = found.estimator.type_table_.predict(types)
    return _judged(found.runs, found.predicted, rules, n_train=len(found.known))


def _judged(
    runs: Sequence[Comparison],
    predicted: pd.DataFrame,
    rules: Mapping[str, Sequence[baselines.Predicted]],
    *,
    n_train: int,
) -> Evaluation:
    actual_s, succeeded = outcomes_of(runs)
    error_s = np.abs(predicted[DURATION].to_numpy() - actual_s)
    probability = predicted[SUCCESS].to_numpy() if SUCCESS in predicted else None
    beside = {name: _beside(rule, actual_s, succeeded, error_s) for name, rule in rules.items()}
    control = beside["control"]
    return Evaluation(
        n_train=n_train,
        n_eval=len(runs),
        mae_s=float(error_s.mean()),
        control_mae_s=control.mae_s,
        improvement=control.improvement,
        within_25=float(np.mean(error_s <= 0.25 * actual_s)),
        accuracy=None if probability is None else _accuracy(probability, succeeded),
        control_accuracy=control.accuracy,
        brier=None if probability is None else float(np.mean((probability - succeeded) ** 2)),
        **{
            f"{name}_{figure}": getattr(of, figure)
            for name, of in beside.items()
            if name != "control"
            for figure in ("mae_s", "improvement", "brier")
        },
    )


class _Beside(NamedTuple):
    """One baseline's metrics over the runs that it predicts, or ``None``."""

    mae_s: float | None
    improvement: float | None
    accuracy: float | None
    brier: float | None


def _beside(
    predictions: Sequence[baselines.Predicted],
    actual_s: NDArray[np.float64],
    succeeded: NDArray[np.bool_],
    error_s: NDArray[np.float64],
) -> _Beside:
    """Return the metrics of a baseline's ``predictions``, and how much smaller ``error_s`` are."""
    figures = np.array(predictions, dtype=np.float64)  # None becomes nan
    timed, rated = ~np.isnan(figures).T
    mae_s = improvement = accuracy = brier = None
    if timed.any():
        mae_s = float(np.abs(figures[timed, 0] - actual_s[timed]).mean())
        improvement = 1.0 - float(error_s[timed].mean()) / mae_s if mae_s > 0.0 else None
    if rated.any():
        accuracy = _accuracy(figures[rated, 1], succeeded[rated])
        brier = float(np.mean((figures[rated, 1] - succeeded[rated]) ** 2))
    return _Beside(mae_s, improvement, accuracy, brier)


def _accuracy(probability: NDArray[np.float64], succeeded: NDArray[np.bool_]) -> float:
    """Return the share of runs on the predicted side of one half."""
    return float(np.mean((probability >= 0.5) == succeeded))  # noqa: PLR2004
