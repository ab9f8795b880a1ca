"""Measures how far repeated runs of one agent and type differ from each other."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

LAST_REPEATS: Final = 20
"""Most last runs of one agent and type, as in the means of the feature vector."""
POINTS: Final = 21


def repeat_spread(
    durations: NDArray[np.float64], agents: Sequence[object], types: Sequence[object]
) -> NDArray[np.float64]:
    """Return quantiles of ``log1p`` of a run minus that of the mean of its agent's other runs of the type.

    Args:
        durations: In seconds, by time; shape ``(n,)``.
        agents: Agent of each run.
        types: Type of each run.

    Returns:
        ``POINTS`` values, ascending, each for an equal share of the runs; a single 0 if no run
        was repeated.
    """
    cells: defaultdict[tuple[object, object], list[float]] = defaultdict(list)
    for cell, duration_s in zip(zip(agents, types, strict=True), durations.tolist(), strict=True):
        cells[cell].append(duration_s)
    found = []
    for runs in cells.values():
        own = np.array(runs[-LAST_REPEATS:])
        if len(own) > 1:
            others = (own.sum() - own) / (len(own) - 1)
            found.append(np.log1p(own) - np.log1p(np.maximum(others, 0.0)))
    if not found:
        return np.zeros(1)
    levels = (np.arange(POINTS) + 0.5) / POINTS
    spread: NDArray[np.float64] = np.quantile(np.concatenate(found), levels)
    return spread
