"""Decisions in, a fitted and evaluated model out.

A model is judged on runs that began after everything it had learnt from was finished, as it would
have been in production; then it is fitted again on all runs.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gnomon.errors import ConfigurationError
from gnomon.events import Comparison
from gnomon.models.control import control_prediction
from gnomon.models.estimator import DURATION, SUCCESS
from gnomon.models.learners import Boosted, Estimator, Learner
from gnomon.models.table import COLUMNS, Column, context_columns, to_frame
from gnomon.models.threads import one_thread

MIN_DECISIONS = 20
"""Fewer finished runs than this are no basis for anything."""


class Evaluation(msgspec.Struct, frozen=True, kw_only=True):
    """How a model did on the last runs, beside control on the same ones.

    Errors in seconds; ``improvement`` is ``1 - mae_s / control_mae_s``, or ``None`` where control
    makes no error; ``within_25`` is the share of runs whose duration was missed by at most a
    quarter of it; ``brier`` the mean squared error of the probability. A model that predicts no
    success has no figures of it.
    """

    n_train: int
    n_eval: int
    mae_s: float
    control_mae_s: float
    improvement: float | None
    within_25: float
    accuracy: float | None
    control_accuracy: float
    brier: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """A fitted model and all that its registration needs.

    Attributes:
        columns: Its inputs, ``outputs`` the names of the columns it gives.
        evaluation: ``None`` where too few runs were finished before the held-out ones began.
        until_ms: End of the last run it has learnt from, epoch milliseconds.
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
    """Fit ``learner`` on the matched ones of ``decisions``; ``Boosted`` if none is given.

    Args:
        decisions: In any order.
        learner: Makes the estimator.
        holdout: Share of the runs, those that started last, that the evaluation is on.
        min_decisions: At least this many must have an outcome.

    Raises:
        ConfigurationError: Too few decisions have an outcome.
        ValueError: ``holdout`` is not above 0 and below 1.
    """
    if not 0.0 < holdout < 1.0:
        raise ValueError(f"holdout must be between 0 and 1, got {holdout}")
    learner = learner or Boosted()
    runs = _usable(decisions)
    needed = max(min_decisions, MIN_DECISIONS)
    if len(runs) < needed:
        raise ConfigurationError(
            f"{len(runs)} of {len(decisions)} decisions have an outcome; training needs {needed}"
        )
    with one_thread():
        evaluation = _evaluate(runs, learner, holdout=holdout)
        columns = (*COLUMNS, *context_columns(runs))
        frame = to_frame(runs, columns)
        estimator = learner.fit(frame, *_outcomes(runs))
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


def _usable(decisions: Sequence[Comparison]) -> list[Comparison]:
    """Those with a whole outcome, in an order that does not depend on the one given."""
    matched = [
        decision
        for decision in decisions
        if decision.outcome.status == "matched"
        and decision.outcome.duration_s is not None
        and math.isfinite(decision.outcome.duration_s)
        and decision.outcome.succeeded is not None
    ]
    return sorted(matched, key=lambda run: (run.started_at_ms, run.decision_id))


def _outcomes(runs: Sequence[Comparison]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Durations in seconds and successes, each of shape ``(n,)``."""
    durations = np.array([run.outcome.duration_s for run in runs], dtype=np.float64)
    return durations, np.array([run.outcome.succeeded for run in runs], dtype=np.bool_)


def _evaluate(runs: Sequence[Comparison], learner: Learner, *, holdout: float) -> Evaluation | None:
    """Fit on what was finished when the held-out runs began, and judge on these."""
    later = runs[len(runs) - max(1, round(len(runs) * holdout)) :]
    began_ms = later[0].started_at_ms
    known = [run for run in runs if run.outcome.at_ms <= began_ms and run.started_at_ms < began_ms]
    if len(known) < MIN_DECISIONS:
        return None
    columns = (*COLUMNS, *context_columns(known))
    estimator = learner.fit(to_frame(known, columns), *_outcomes(known))
    return _judged(later, estimator.predict(to_frame(later, columns)), n_train=len(known))


def _judged(runs: Sequence[Comparison], predicted: pd.DataFrame, *, n_train: int) -> Evaluation:
    actual_s, succeeded = _outcomes(runs)
    control = np.array([control_prediction(run) for run in runs])
    error_s = np.abs(predicted[DURATION].to_numpy() - actual_s)
    probability = predicted[SUCCESS].to_numpy() if SUCCESS in predicted else None
    mae_s = float(error_s.mean())
    control_mae_s = float(np.abs(control[:, 0] - actual_s).mean())
    return Evaluation(
        n_train=n_train,
        n_eval=len(runs),
        mae_s=mae_s,
        control_mae_s=control_mae_s,
        improvement=1.0 - mae_s / control_mae_s if control_mae_s > 0.0 else None,
        within_25=float(np.mean(error_s <= 0.25 * actual_s)),
        accuracy=None if probability is None else _accuracy(probability, succeeded),
        control_accuracy=_accuracy(control[:, 1], succeeded),
        brier=None if probability is None else float(np.mean((probability - succeeded) ** 2)),
    )


def _accuracy(probability: NDArray[np.float64], succeeded: NDArray[np.bool_]) -> float:
    """Share of runs on the predicted side of one half."""
    return float(np.mean((probability >= 0.5) == succeeded))  # noqa: PLR2004
