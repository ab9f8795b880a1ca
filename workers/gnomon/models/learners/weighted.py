"""Computes weighted quantiles of many small samples in one call."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_SLACK = 1e-9
"""Share of the whole weight by which rounding may miss a level."""


def weighted_quantiles(
    values: NDArray[np.float64], weights: NDArray[np.float64], levels: Sequence[float]
) -> NDArray[np.float64]:
    """Return, for each row, the smallest value at or below which a share ``level`` of its weight lies.

    Args:
        values: Values, shape ``(n, m)``; ``nan`` only where the weight is 0. Rows that are nearly
            sorted take the least time.
        weights: Weights, shape ``(n, m)``, not negative, in each row not all 0.
        levels: Each in (0, 1).

    Returns:
        Shape ``(n, len(levels))``.
    """
    order = np.argsort(values, axis=1, kind="stable")
    cumulated = np.cumsum(np.take_along_axis(weights, order, axis=1), axis=1)
    total = cumulated[:, -1:]
    found = np.empty((len(values), len(levels)))
    rows = np.arange(len(values))
    for at, level in enumerate(levels):
        first = np.argmax(cumulated >= (level - _SLACK) * total, axis=1)
        found[:, at] = values[rows, order[rows, first]]
    return found
