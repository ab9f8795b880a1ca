"""Buckets of errors and durations, each 2 % wide, by which medians are known from counts."""

import math
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

MAX_ERROR_US: Final = 10**12
"""Upper limit of one error (11.6 days), so that one absurd duration does not dominate the mean."""
SMALLEST_US: Final = 1000
SMALLEST_BUCKET: Final = -1000
RATIO: Final = 1.02
_LOG_RATIO: Final = math.log(RATIO)


def bucket_of(absolute_error_us: int) -> int:
    """Return the bucket of an error in microseconds."""
    if absolute_error_us < SMALLEST_US:
        return SMALLEST_BUCKET
    return math.ceil(math.log(absolute_error_us / 1e6) / _LOG_RATIO)


def buckets_of(errors_us: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return ``bucket_of`` each error, none of which is over ``MAX_ERROR_US``."""
    above = np.searchsorted(_greatest(), errors_us, side="left") + bucket_of(SMALLEST_US)
    return np.where(errors_us < SMALLEST_US, SMALLEST_BUCKET, above)


def middle_s(bucket: int) -> float:
    """Return the geometric middle of a bucket in seconds; 0 for the smallest."""
    return 0.0 if bucket <= SMALLEST_BUCKET else float(RATIO ** (bucket - 0.5))


@cache
def _greatest() -> NDArray[np.int64]:
    """Return the greatest error of each bucket above the smallest, found with ``bucket_of`` itself."""
    found = []
    for bucket in range(bucket_of(SMALLEST_US), bucket_of(MAX_ERROR_US) + 1):
        greatest = max(int(RATIO**bucket * 1e6), SMALLEST_US)
        while bucket_of(greatest + 1) <= bucket:
            greatest += 1
        while bucket_of(greatest) > bucket:
            greatest -= 1
        found.append(greatest)
    return np.array(found, dtype=np.int64)
