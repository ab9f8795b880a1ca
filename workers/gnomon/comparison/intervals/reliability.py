"""How often tasks succeed whose predicted probability of success lay in one of ten bins.

The probabilities are calibrated if in each bin about that share of the tasks succeeds.
"""

from collections.abc import Sequence
from operator import add, sub
from typing import Final

BINS: Final = 10
"""Bins of equal width between 0 and 1; the last contains 1 itself."""

Bins = list[int]
"""Number of predictions in each bin, then number of tasks in each bin that succeeded."""


def empty_bins() -> Bins:
    """Return bins without predictions."""
    return [0] * (2 * BINS)


def plus(bins: Bins, other: Sequence[int], sign: int = 1) -> Bins:
    """Return the sum of two, or their difference if ``sign`` is -1; an empty list counts as zeros."""
    if not other:
        return bins
    return list(map(add if sign > 0 else sub, bins or empty_bins(), other))
