"""Compares a newly trained model with the challenger that predicts now.

Both are judged on the same last runs. The challenger is judged by its recorded predictions, which it
made when each run started. The new model is fitted on the runs that had ended when the first of them
began. So neither model was trained on the runs on which it is judged. Losses are those of the verdict: the absolute difference of
``log1p`` seconds, at most ``ln 10``, and the squared error of the probability.
"""

import math
from collections.abc import Sequence
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from gnomon.events import Comparison, ModelPrediction
from gnomon.models.protocols import DURATION, SUCCESS, Learner
from gnomon.models.threads import one_thread
from gnomon.models.train import held_out, outcomes_of, usable_runs

LEAST_RUNS: Final = 50
"""Least number of common runs. With fewer, the new model is preferred, because it has more data."""

_LARGEST_LOSS: Final = math.log(10.0)


class Selection(msgspec.Struct, frozen=True, kw_only=True):
    """Mean losses over the ``n`` runs that both predicted; ``None`` if there are too few runs.

    ``is_better``: the new model's sum of the two losses is not above the challenger's, each loss
    measured in units of the challenger's own.
    """

    n: int
    duration_loss: float | None
    current_duration_loss: float | None
    brier: float | None
    current_brier: float | None
    is_better: bool


def select(
    decisions: Sequence[Comparison], learner: Learner, *, current_sha256: str, share: float = 0.2
) -> Selection:
    """Compare a model of ``learner`` with the recorded predictions of the current challenger.

    Args:
        decisions: The decisions, in any order.
        learner: The learner that makes the new model.
        current_sha256: SHA-256 of the challenger's model file.
        share: Share of the runs on which both are judged: those that started last.
    """
    runs = usable_runs(decisions)
    with one_thread():
        found = held_out(runs, learner, share=share) if runs else None
    if found is None:
        return _undecided(0)
    predictions = [_prediction_of(run, current_sha256) for run in found.runs]
    both = np.array([each is not None for each in predictions], dtype=np.bool_)
    if both.sum() < LEAST_RUNS:
        return _undecided(int(both.sum()))
    actual_s, succeeded = outcomes_of(
        [run for run, is_in in zip(found.runs, both, strict=True) if is_in]
    )
    current = np.array(
        [(each.duration_s, each.success_probability) for each in predictions if each is not None],
        dtype=np.float64,
    )
    new = np.column_stack(
        [
            found.predicted[name].to_numpy(np.float64)[both]
            if name in found.predicted
            else np.full(int(both.sum()), np.nan)
            for name in (DURATION, SUCCESS)
        ]
    )
    losses = _losses(new, actual_s, succeeded)
    current_losses = _losses(current, actual_s, succeeded)
    return Selection(
        n=int(both.sum()),
        duration_loss=losses[0],
        current_duration_loss=current_losses[0],
        brier=losses[1],
        current_brier=current_losses[1],
        is_better=_ratio(losses[0], current_losses[0]) + _ratio(losses[1], current_losses[1])
        <= 2.0,  # noqa: PLR2004
    )


def _undecided(n: int) -> Selection:
    return Selection(
        n=n,
        duration_loss=None,
        current_duration_loss=None,
        brier=None,
        current_brier=None,
        is_better=True,
    )


def _prediction_of(run: Comparison, sha256: str) -> ModelPrediction | None:
    """Return the whole prediction that the model file with ``sha256`` made of the run."""
    for prediction in run.predictions:
        if prediction.sha256 == sha256 and None not in (
            prediction.duration_s,
            prediction.success_probability,
        ):
            return prediction
    return None


def _losses(
    predicted: NDArray[np.float64], actual_s: NDArray[np.float64], succeeded: NDArray[np.bool_]
) -> tuple[float, float]:
    """Return the mean losses of durations and probabilities; a missing number costs the most."""
    duration = np.abs(np.log1p(predicted[:, 0]) - np.log1p(actual_s))
    brier = (predicted[:, 1] - succeeded) ** 2
    worst = np.where(np.isnan(duration), _LARGEST_LOSS, np.minimum(duration, _LARGEST_LOSS))
    return float(worst.mean()), float(np.where(np.isnan(brier), 1.0, brier).mean())


def _ratio(loss: float, current: float) -> float:
    if current > 0.0:
        return loss / current
    return 1.0 if loss == current else math.inf
