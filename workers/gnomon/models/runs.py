"""Selects the decisions from which models learn, and reads their outcomes."""

import math
from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from gnomon.events import Comparison

MIN_DECISIONS: Final = 20
"""Least number of finished runs for a training."""


def is_usable(decision: Comparison) -> bool:
    """Return whether the decision has a complete outcome, so that it is a run to learn from."""
    outcome = decision.outcome
    return (
        outcome.status == "matched"
        and outcome.duration_s is not None
        and math.isfinite(outcome.duration_s)
        and outcome.succeeded is not None
    )


def usable_runs(decisions: Iterable[Comparison]) -> list[Comparison]:
    """Return the usable decisions by their start, in an order that does not depend on the input's."""
    runs = filter(is_usable, decisions)
    return sorted(runs, key=lambda run: (run.started_at_ms, run.decision_id))


def outcomes_of(runs: Sequence[Comparison]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return durations in seconds and successes, each of shape ``(n,)``."""
    durations = np.array([run.outcome.duration_s for run in runs], dtype=np.float64)
    return durations, np.array([run.outcome.succeeded for run in runs], dtype=np.bool_)
