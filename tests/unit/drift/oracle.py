"""Distances of distributions by pandas."""

import math
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def psi_by_pandas(training: Floats, later: Floats) -> float:
    """PSI over deciles of the training values and a bin of missing values."""
    known = pd.Series(training).dropna()
    edges = sorted(set(known.quantile([i / 10 for i in range(1, 10)])))
    bins = [-math.inf, *edges, math.inf]

    def shares(values: Floats) -> Any:
        binned = pd.Series(pd.cut(pd.Series(values), bins=bins))
        counts = binned.value_counts(sort=False, dropna=True)
        counts = [*counts, int(np.isnan(values).sum())]
        return pd.Series(counts).div(len(values)).clip(lower=1e-4)

    then, now = shares(training), shares(later)
    return float(((now - then) * (now / then).apply(math.log)).sum())
