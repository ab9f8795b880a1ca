"""Extracts the numeric features of a task, as models get them."""

import math
from operator import attrgetter
from typing import Final

from gnomon.events import Comparison, FeatureVector, HourFeatures, TaskFeatures

_HOURLY: Final = len(HourFeatures.__struct_fields__)
FEATURES: Final[tuple[str, ...]] = (*FeatureVector.__struct_fields__, "estimate_s")
"""Names of the numbers that ``feature_row`` returns, in its order."""

MIN_HOUR_SEEN: Final = 0.9
"""If the stage has read less of the rolling hour than this share, models do not get its features."""

_vector = attrgetter(*FeatureVector.__struct_fields__)


def feature_row(task: TaskFeatures | Comparison) -> tuple[float, ...]:
    """Return the numbers named by ``FEATURES``; NaN if a value is missing.

    A test holds them against ``models.table``, which makes the input rows of models.
    """
    values = [math.nan if each is None else float(each) for each in _vector(task.features)]
    if task.completeness.hour_seen < MIN_HOUR_SEEN:
        values[:_HOURLY] = [math.nan] * _HOURLY
    return (*values, math.nan if task.estimate_s is None else task.estimate_s)
