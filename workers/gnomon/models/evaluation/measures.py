"""Computes the metrics of a model and of its rivals on the same runs."""

import math
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import msgspec
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gnomon.models.baselines import Predicted
from gnomon.models.protocols import DURATION, SUCCESS

LARGEST_LOG_ERROR: Final = math.log(10.0)
"""A duration that is wrong by a factor of ten or more counts as wrong by a factor of ten."""

Floats = NDArray[np.float64]


class Rival(msgspec.Struct, frozen=True, kw_only=True):
    """Metrics of a baseline, or of another version, over the ``n`` runs whose duration it predicts.

    ``improvement`` is 1 minus the ratio of the model's mean error on these runs to the rival's;
    ``log_improvement`` and ``brier_improvement`` are the same for the log error and the Brier score.
    Each is ``None`` if the rival predicts nothing or makes no error.
    """

    n: int
    mae_s: float | None
    improvement: float | None
    log_error: float | None
    log_improvement: float | None
    accuracy: float | None
    brier: float | None
    brier_improvement: float | None


class Measures(msgspec.Struct, frozen=True, kw_only=True):
    """Metrics of a model that was fitted on ``n_train`` runs, on the ``n_eval`` next ones.

    Errors are in seconds. ``log_error`` is the mean of ``|ln((predicted + 1) / (actual + 1))|``, at
    most ``ln 10`` for each run, as in the verdict. ``within_25`` is the share of runs whose predicted
    duration is wrong by at most a quarter of the actual one. ``brier`` is the mean squared error of
    the probability. A model that predicts no probability has no metrics of it.
    """

    n_train: int
    n_eval: int
    mae_s: float
    log_error: float
    within_25: float
    accuracy: float | None
    brier: float | None
    beside: dict[str, Rival]

    def figures(self) -> dict[str, float]:
        """Return every metric that has a value by its name; a rival's begin with the rival's name."""
        found = {name: getattr(self, name) for name in self.__struct_fields__ if name != "beside"}
        for rival, metrics in self.beside.items():
            found |= {
                f"{rival.replace('-', '_')}_{name}": value
                for name, value in msgspec.structs.asdict(metrics).items()
            }
        return {name: float(value) for name, value in found.items() if value is not None}


class Evaluation(msgspec.Struct, frozen=True, kw_only=True):
    """The metrics of each origin, by time; at least one."""

    origins: tuple[Measures, ...]

    @property
    def n_train(self) -> int:
        """Return the number of runs on which the model of the last origin was fitted."""
        return self.origins[-1].n_train

    @property
    def n_eval(self) -> int:
        """Return the number of runs on which all models together were judged."""
        return sum(origin.n_eval for origin in self.origins)

    def mean(self) -> dict[str, float]:
        """Return the mean of each metric over the origins that have it; counts are totals."""
        found = {name: float(np.mean(values)) for name, values in self._by_name().items()}
        sizes = {name: sum(values) for name, values in self._by_name().items() if _is_size(name)}
        return found | sizes | {"n_train": float(self.n_train)}

    def spread(self) -> dict[str, float]:
        """Return the standard deviation of each metric between the origins, if two or more have it."""
        return {
            name: float(np.std(values, ddof=1))
            for name, values in self._by_name().items()
            if len(values) > 1 and name != "n_train" and not _is_size(name)
        }

    def _by_name(self) -> dict[str, list[float]]:
        found: dict[str, list[float]] = {}
        for origin in self.origins:
            for name, value in origin.figures().items():
                found.setdefault(name, []).append(value)
        return found


def _is_size(name: str) -> bool:
    return name == "n_eval" or name.endswith("_n")


class Outcomes(NamedTuple):
    """Actual seconds and successes of runs, shape ``(n,)`` each."""

    seconds: Floats
    succeeded: NDArray[np.bool_]


def measured(
    predicted: pd.DataFrame,
    actual: Outcomes,
    rivals: Mapping[str, Sequence[Predicted]],
    *,
    n_train: int,
) -> Measures:
    """Return the metrics of ``predicted``, and of each rival's predictions of the same runs."""
    seconds = predicted[DURATION].to_numpy(np.float64)
    error_s = np.abs(seconds - actual.seconds)
    probability = predicted[SUCCESS].to_numpy(np.float64) if SUCCESS in predicted else None
    losses = _Losses(
        error_s,
        log_errors(seconds, actual.seconds),
        None if probability is None else (probability - actual.succeeded) ** 2,
    )
    return Measures(
        n_train=n_train,
        n_eval=len(actual.seconds),
        mae_s=float(error_s.mean()),
        log_error=float(losses.log.mean()),
        within_25=float(np.mean(error_s <= 0.25 * actual.seconds)),
        accuracy=None if probability is None else _accuracy(probability, actual.succeeded),
        brier=None if losses.square is None else float(losses.square.mean()),
        beside={name: _rival(of, actual, losses) for name, of in rivals.items()},
    )


class _Losses(NamedTuple):
    """Losses of each run, shape ``(n,)``: seconds, log error, squared error of the probability."""

    seconds: Floats
    log: Floats
    square: Floats | None


def _rival(predictions: Sequence[Predicted], actual: Outcomes, own: _Losses) -> Rival:
    """Return the metrics of ``predictions``; ``own`` are the losses of the model that is evaluated."""
    figures = np.array(predictions, dtype=np.float64).reshape(-1, 2)  # None becomes nan
    timed, rated = ~np.isnan(figures).T
    error_s = np.abs(figures[timed, 0] - actual.seconds[timed])
    logs = log_errors(figures[timed, 0], actual.seconds[timed])
    squares = (figures[rated, 1] - actual.succeeded[rated]) ** 2
    return Rival(
        n=int(timed.sum()),
        mae_s=_mean(error_s),
        improvement=_improvement(own.seconds[timed], error_s),
        log_error=_mean(logs),
        log_improvement=_improvement(own.log[timed], logs),
        accuracy=_accuracy(figures[rated, 1], actual.succeeded[rated]) if rated.any() else None,
        brier=_mean(squares),
        brier_improvement=(
            None if own.square is None else _improvement(own.square[rated], squares)
        ),
    )


def log_errors(predicted_s: Floats, actual_s: Floats) -> Floats:
    """Return the log error of each run; a missing prediction costs as much as the worst one."""
    found = np.abs(np.log1p(predicted_s) - np.log1p(actual_s))
    return np.where(np.isnan(found), LARGEST_LOG_ERROR, np.minimum(found, LARGEST_LOG_ERROR))


def _mean(losses: Floats) -> float | None:
    """Return the mean; ``None`` without losses, or if it is too large for a number, by absurd estimates."""
    with np.errstate(over="ignore"):
        found = float(losses.mean()) if losses.size else math.inf
    return found if math.isfinite(found) else None


def _improvement(own: Floats, rival: Floats) -> float | None:
    """Return 1 minus the ratio of the mean losses; ``None`` if a mean is missing or the rival's is 0."""
    own_mean, rival_mean = _mean(own), _mean(rival)
    if own_mean is None or not rival_mean:
        return None
    return 1.0 - own_mean / rival_mean


def _accuracy(probability: Floats, succeeded: NDArray[np.bool_]) -> float:
    """Return the share of runs on the predicted side of one half."""
    return float(np.mean((probability >= 0.5) == succeeded))  # noqa: PLR2004
