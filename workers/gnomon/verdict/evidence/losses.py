"""Computes losses as whole numbers, so that their sums are exact in any order.

A duration's loss is a distance on an axis: ln(1 + seconds) for the log loss, seconds for the other.
Beyond a cap it does not grow. If a task has no end yet, only the earliest possible end is known, and
the loss is a range.
"""

import math
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

ONE: Final = 10**9
"""The whole number that stands for a log loss, a Brier score or a count of 1."""
LOG_CAP: Final = round(math.log(10) * ONE)
"""The greatest log loss: a prediction that is wrong by a factor of ten or more has this loss."""
FAR: Final = 10**15
"""Position that stands for infinity: farther than every cap from any finite prediction."""


Axis = Callable[[float], int]
"""Converts seconds to a position on the axis on which a loss is a distance."""


class Pair(NamedTuple):
    """The losses of a baseline and of a model on the same task, in the same unit."""

    baseline: int
    model: int


def on_log_axis(seconds: float) -> int:
    """Return ln(1 + ``seconds``) in units of 1e-9; ``FAR`` for infinity and NaN."""
    return round(math.log1p(seconds) * ONE) if math.isfinite(seconds) else FAR


def on_seconds_axis(seconds: float) -> int:
    """Return ``seconds`` in microseconds, at most ``FAR``."""
    return round(seconds * 1e6) if seconds < FAR / 1e6 else FAR


def distance(predicted: int, actual: int, cap: int) -> int:
    """Return the loss of one prediction."""
    return min(abs(predicted - actual), cap)


def pair(baseline: int, model: int, actual: int, cap: int) -> Pair:
    """Return the losses of two predictions; all positions are on the same axis."""
    return Pair(distance(baseline, actual, cap), distance(model, actual, cap))


def extremes(baseline: int, model: int, least: int, *, cap: int, delta: float) -> tuple[Pair, Pair]:
    """Return the worst and the best losses for the model if the true value is at least ``least``.

    Worst and best refer to ``(1 - delta) * baseline - model``. As a function of the true value, this
    is linear between the points where one of the losses has a corner, and constant beyond the last.
    So only these points are compared.
    """
    turns = (
        turn
        for prediction in (baseline, model)
        for turn in (prediction - cap, prediction, prediction + cap)
        if turn > least
    )
    pairs = [pair(baseline, model, actual, cap) for actual in (least, *turns)]
    return _least(pairs, delta), _least(pairs, delta, sign=-1)


def brier(probability: float, *, succeeded: bool) -> int:
    """Return the squared error of a predicted probability of success, in units of 1e-9."""
    miss = probability - succeeded
    return round(miss * miss * ONE)


def miss(probability: float, *, succeeded: bool) -> int:
    """Return ``ONE`` if the outcome was not on the predicted side of one half, else 0."""
    return 0 if (probability >= 0.5) == succeeded else ONE  # noqa: PLR2004  the side of a half


def _least(pairs: Sequence[Pair], delta: float, sign: int = 1) -> Pair:
    return min(pairs, key=lambda p: (sign * ((1 - delta) * p.baseline - p.model), p))
