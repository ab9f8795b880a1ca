"""Compares a newly trained model with the challenger that predicts now.

Both are judged on the same last runs. The challenger is judged by its recorded predictions, which it
made when each run started. The new model is fitted on the runs that had ended when the first of them
began. So neither model was trained on the runs on which it is judged. Losses are those of the verdict:
the absolute difference of ``log1p`` seconds, at most ``ln 10``, and the squared error of the probability.
"""

import math
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from gnomon.events import Comparison, ModelPrediction
from gnomon.models.evaluation import HeldOut, log_errors, prediction_of
from gnomon.models.protocols import DURATION, SUCCESS
from gnomon.models.runs import outcomes_of

LEAST_RUNS: Final = 50
"""Least number of common runs. With fewer, the new model is preferred, because it has more data."""


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


def select(held_out: HeldOut | None, *, current_sha256: str) -> Selection:
    """Compare a model with the recorded predictions of the current challenger.

    Args:
        held_out: What the new learner's model predicts of the last runs; ``None`` if there were too
            few runs before them.
        current_sha256: SHA-256 of the challenger's model file.
    """
    if held_out is None:
        return _undecided(0)
    predictions = [_whole(prediction_of(run, current_sha256)) for run in held_out.runs]
    both = np.array([each is not None for each in predictions], dtype=np.bool_)
    count = int(both.sum())
    if count < LEAST_RUNS:
        return _undecided(count)
    common = [run for run, is_common in zip(held_out.runs, both, strict=True) if is_common]
    current = [(p.duration_s, p.success_probability) for p in predictions if p is not None]
    losses = _losses(_predicted(held_out)[both], common)
    current_losses = _losses(np.array(current, dtype=np.float64), common)
    return Selection(
        n=count,
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


def _whole(prediction: ModelPrediction | None) -> ModelPrediction | None:
    """Return the prediction if it has both quantities."""
    if prediction is None or None in (prediction.duration_s, prediction.success_probability):
        return None
    return prediction


def _predicted(held_out: HeldOut) -> NDArray[np.float64]:
    """Return the model's seconds and probabilities, shape ``(n, 2)``; ``nan`` for what it does not predict."""
    frame = held_out.predicted.reindex(columns=[DURATION, SUCCESS])
    return np.asarray(frame.to_numpy(np.float64))


def _losses(predicted: NDArray[np.float64], runs: list[Comparison]) -> tuple[float, float]:
    """Return the mean losses of durations and probabilities; a missing number costs the most."""
    actual_s, succeeded = outcomes_of(runs)
    brier = (predicted[:, 1] - succeeded) ** 2
    return (
        float(log_errors(predicted[:, 0], actual_s).mean()),
        float(np.where(np.isnan(brier), 1.0, brier).mean()),
    )


def _ratio(loss: float, current: float) -> float:
    if current > 0.0:
        return loss / current
    return 1.0 if loss == current else math.inf
