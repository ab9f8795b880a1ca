"""Intervals around durations: a model's own quantiles, corrected by how its last ones did."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from gnomon.comparison.intervals.calibration import LEVELS, RULE, CorrectionTable
from gnomon.events import Interval, Intervals

MAX_S: Final = 1e12
"""No interval ends later."""
_DIGITS: Final = 5


def intervals_of(
    durations: Sequence[float | None],
    quantiles: NDArray[np.float64],
    buckets: Sequence[int],
    corrections: CorrectionTable,
) -> list[Intervals | None]:
    """Return the intervals of each task; ``None`` where a number is missing or not finite.

    Both ends are moved outward by the correction of the task's bucket and the level, on a scale of
    ``log(1 + seconds)``. A negative correction makes an interval narrower, at most to one point.
    Each interval is then extended to contain the predicted duration and the interval of the level
    before.

    Args:
        durations: Predicted, in seconds.
        quantiles: Durations in seconds at the levels ``calibration.QUANTILES``, shape ``(n, 4)``.
        buckets: Of the tasks.
        corrections: Of the model version that gave the quantiles.
    """
    inner_low = inner_high = np.array(durations, np.float64)
    known = (np.isfinite(quantiles).all(axis=1) & np.isfinite(inner_low)).tolist()
    own = _rounded(np.clip(np.nan_to_num(quantiles), 0.0, MAX_S))
    by_level = []
    for at, level in enumerate(LEVELS):
        of_bucket = [corrections.get((bucket, level), 0.0) for bucket in buckets]
        own_low, own_high = own[:, 2 * at], own[:, 2 * at + 1]
        low, high = _corrected(own_low, own_high, of_bucket)
        inner_low, inner_high = np.minimum(low, inner_low), np.maximum(high, inner_high)
        by_level.append(_as_intervals(inner_low, inner_high, own_low, own_high, of_bucket))
    names = [str(level) for level in LEVELS]
    return [
        Intervals(bucket=bucket, by_level=dict(zip(names, of_task, strict=True)), rule=RULE)
        if is_known
        else None
        for is_known, bucket, of_task in zip(
            known, buckets, zip(*by_level, strict=True), strict=True
        )
    ]


def _corrected(
    own_low_s: NDArray[np.float64], own_high_s: NDArray[np.float64], corrections: Sequence[float]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    low, high = np.log1p(own_low_s), np.log1p(own_high_s)
    moved = np.maximum(corrections, (low - high) / 2)
    low_s = np.maximum(np.expm1(low - moved), 0.0)
    high_s = np.expm1(np.minimum(high + moved, np.log(MAX_S)))
    return _rounded(low_s), _rounded(high_s)


def _as_intervals(*columns: NDArray[np.float64] | Sequence[float]) -> list[Interval]:
    return [
        Interval(
            low_s=low_s,
            high_s=high_s,
            own_low_s=own_low_s,
            own_high_s=own_high_s,
            correction=correction,
        )
        for low_s, high_s, own_low_s, own_high_s, correction in zip(
            *(np.asarray(column).tolist() for column in columns), strict=True
        )
    ]


def _rounded(seconds: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the numbers with five digits, of which not more than nine are decimals."""
    with np.errstate(divide="ignore"):
        exponent = np.floor(np.log10(seconds))
    decimals = np.clip(_DIGITS - 1 - np.nan_to_num(exponent, neginf=0.0), -20, 9)
    # Dividing by a power of ten gives the float nearest to the decimal number; multiplying may not.
    up, down = 10.0 ** np.maximum(decimals, 0.0), 10.0 ** np.maximum(-decimals, 0.0)
    rounded: NDArray[np.float64] = np.rint(seconds * up / down) / up * down
    return rounded
