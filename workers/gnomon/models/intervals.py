"""Intervals around durations: a model's own quantiles, corrected by how its last ones did."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from gnomon.comparison.intervals.calibration import BUCKETS, LEVELS, RULE, CorrectionTable
from gnomon.events import Interval, Intervals

MAX_S: Final = 1e12
"""No interval ends later."""
_DIGITS: Final = 5
_LOG_MAX: Final = np.log(MAX_S)
_NAMES: Final = tuple(str(level) for level in LEVELS)


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
    predicted = np.array(durations, np.float64)
    finite = np.isfinite(quantiles)
    known = (finite.all(axis=1) & np.isfinite(predicted)).tolist()
    own = _rounded(np.minimum(np.where(finite, np.maximum(quantiles, 0.0), 0.0), MAX_S))
    correction = _of_buckets(buckets, corrections)
    low, high = _corrected(own, correction)
    # Each level contains the duration, and the level before.
    low = np.minimum.accumulate(np.column_stack([predicted, low]), axis=1)[:, 1:]
    high = np.maximum.accumulate(np.column_stack([predicted, high]), axis=1)[:, 1:]
    ends = (low, high, own[:, 0::2], own[:, 1::2], correction)
    by_level = [_as_intervals(*(of[:, at] for of in ends)) for at in range(len(LEVELS))]
    return [
        Intervals(bucket=bucket, by_level=dict(zip(_NAMES, of_task, strict=True)), rule=RULE)
        if is_known
        else None
        for is_known, bucket, of_task in zip(
            known, buckets, zip(*by_level, strict=True), strict=True
        )
    ]


def _of_buckets(buckets: Sequence[int], corrections: CorrectionTable) -> NDArray[np.float64]:
    """Return the correction of each task and level, shape ``(n, levels)``."""
    table = np.array(
        [[corrections.get((bucket, level), 0.0) for level in LEVELS] for bucket in range(BUCKETS)]
    )
    found: NDArray[np.float64] = table[np.asarray(buckets, np.intp)]
    return found


def _corrected(
    own_s: NDArray[np.float64], corrections: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return low and high ends in seconds, shape ``(n, levels)`` each; ``own_s`` has both by turns."""
    logs = np.log1p(own_s)
    low, high = logs[:, 0::2], logs[:, 1::2]
    moved = np.maximum(corrections, (low - high) / 2)
    low_s = np.maximum(np.expm1(low - moved), 0.0)
    high_s = np.expm1(np.minimum(high + moved, _LOG_MAX))
    ends = _rounded(np.hstack([low_s, high_s]))
    return ends[:, : len(LEVELS)], ends[:, len(LEVELS) :]


def _as_intervals(*columns: NDArray[np.float64]) -> list[Interval]:
    return [
        Interval(
            low_s=low_s,
            high_s=high_s,
            own_low_s=own_low_s,
            own_high_s=own_high_s,
            correction=correction,
        )
        for low_s, high_s, own_low_s, own_high_s, correction in zip(
            *(column.tolist() for column in columns), strict=True
        )
    ]


def _rounded(seconds: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the numbers with five digits, of which not more than nine are decimals."""
    exponent = np.floor(np.log10(np.where(seconds > 0.0, seconds, 1.0)))
    decimals = np.minimum(np.maximum(_DIGITS - 1 - exponent, -20.0), 9.0)
    # Dividing by a power of ten gives the float nearest to the decimal number; multiplying may not.
    up, down = 10.0 ** np.maximum(decimals, 0.0), 10.0 ** np.maximum(-decimals, 0.0)
    rounded: NDArray[np.float64] = np.rint(seconds * up / down) / up * down
    return rounded
