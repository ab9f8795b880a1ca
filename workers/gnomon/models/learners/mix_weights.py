"""Fits the weights of a mix, on what parts of earlier versions predicted before the outcomes were known.

The weights begin where work of this kind usually needs them, and move only as far as the recorded runs
justify. For durations they do not move at all before a change is surely better: recorded runs are often
of few agents, and what helped these may do harm to the next one.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gnomon.events import Comparison, ModelPrediction
from gnomon.models.baselines import control

POOL: Final = "pool"
BOOSTED: Final = "boosted"

BUCKETS: Final = 3
"""Number of cases with weights of their own: the agent has done 0, 1, or more runs of the type."""
FIRST_WEIGHT: Final = 0.7
"""Weight of the pool for an agent's first run of a type, before any runs have shown a better one."""
REPEAT_WEIGHT: Final = (0.1, 0.97)
"""Least and greatest weight of the pool for later runs: the greatest if repeats are nearly alike."""
MIN_REPEATS: Final = 20
"""Least number of repeats from which it is judged how much they are alike."""
PRIOR_RUNS: Final = 50.0
"""Count of the initial weights when they are averaged with weights fitted on ``n`` runs, which count ``n``."""
SURELY: Final = 3.0
"""Number of standard errors by which other weights must be better for durations to count."""
MAX_RECORDED: Final = 2_000
"""Most recorded runs on which weights are fitted: the last ones."""

_GRID: Final = np.linspace(0.0, 1.0, 51)


class Recorded(NamedTuple):
    """Recorded predictions of the parts of earlier versions, with the outcomes.

    Attributes:
        pool: Seconds and probability of success, shape ``(n, 2)``.
        boosted: The same for the trees.
        truth: Actual seconds, and 1 for success or 0, shape ``(n, 2)``.
        bucket: The row of weights to which a run belongs, shape ``(n,)``.
    """

    pool: NDArray[np.float64]
    boosted: NDArray[np.float64]
    truth: NDArray[np.float64]
    bucket: NDArray[np.intp]


def bucket_of(same_type_runs: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return 0, 1, or 2 for two or more runs."""
    known = np.where(np.isnan(same_type_runs), 0.0, same_type_runs)
    return np.minimum(known, BUCKETS - 1).astype(np.intp)


def recorded(runs: Sequence[Comparison]) -> Recorded:
    """Return the recorded predictions for the last ``MAX_RECORDED`` runs that a mix has predicted.

    If several versions predicted a run, the last of them in the record counts.
    """
    rows = []
    for run in runs:
        prediction = _newest(run.predictions)
        outcome = run.outcome
        if prediction is None or outcome.duration_s is None or outcome.succeeded is None:
            continue
        pool, boosted = prediction.parts[POOL], prediction.parts[BOOSTED]
        if None not in pool and None not in boosted:
            truth = (outcome.duration_s, outcome.succeeded)
            rows.append((*pool, *boosted, *truth, run.features.same_type_runs))
    table = np.array(rows[-MAX_RECORDED:], np.float64).reshape(-1, 7)
    return Recorded(table[:, 0:2], table[:, 2:4], table[:, 4:6], bucket_of(table[:, 6]))


def initial_weights(runs: Sequence[Comparison]) -> NDArray[np.float64]:
    """Return the pool's weight in each bucket before any recorded predictions, shape ``(BUCKETS,)``.

    For repeats it is twice the share of ``control``'s log error that the mean of the agent's own runs
    of the type takes away: where repeats are alike, trees can only blur them; where they are not, trees
    know more.
    """
    errors = [_errors(run) for run in runs]
    own, simple = np.array([e for e in errors if e is not None]).reshape(-1, 2).sum(axis=0)
    least, most = REPEAT_WEIGHT
    enough = sum(e is not None for e in errors) >= MIN_REPEATS and simple > 0.0
    repeats = min(max(2.0 * (1.0 - own / simple), least), most) if enough else most
    return np.array([FIRST_WEIGHT, *[repeats] * (BUCKETS - 1)])


def _errors(run: Comparison) -> tuple[float, float] | None:
    """Return the log errors of the mean of the agent's own runs of the type, and of ``control``."""
    own_s, simple_s = run.features.same_type_avg_execution_time, control(run)[0]
    actual_s = run.outcome.duration_s
    if own_s is None or simple_s is None or actual_s is None:
        return None
    own, simple, actual = np.log1p((own_s, simple_s, actual_s)).tolist()
    return abs(own - actual), abs(simple - actual)


def _newest(predictions: Sequence[ModelPrediction]) -> ModelPrediction | None:
    mixed = [prediction for prediction in predictions if {POOL, BOOSTED} <= prediction.parts.keys()]
    return mixed[-1] if mixed else None


def fitted_weights(seen: Recorded, initial: NDArray[np.float64]) -> NDArray[np.float64]:
    """Fit the pool's weights, shape ``(BUCKETS, 2)``, for durations and probabilities.

    The runs of each bucket move its weights away from ``initial``. Runs of another bucket do not:
    trees are often better for a first attempt, and worse for a repeat.
    """
    return np.stack(
        [
            _drawn(seen, seen.bucket == bucket, np.full(2, begin))
            for bucket, begin in enumerate(initial.tolist())
        ]
    )


def _drawn(
    seen: Recorded, of: NDArray[np.bool_], begin: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Move ``begin``, shape ``(2,)``, towards the best weights of the runs ``of``; more runs move it further."""
    count = np.count_nonzero(of)
    if not count:
        return begin
    pool, boosted, truth = seen.pool[of], seen.boosted[of], seen.truth[of]
    best = np.array(
        [
            _least_log_error(pool[:, 0], boosted[:, 0], truth[:, 0], float(begin[0])),
            _least_square(pool[:, 1], boosted[:, 1], truth[:, 1]),
        ]
    )
    best = np.where(np.isnan(best), begin, best)
    return begin + count / (count + PRIOR_RUNS) * (best - begin)


def _least_log_error(
    one: NDArray[np.float64], other: NDArray[np.float64], truth: NDArray[np.float64], begin: float
) -> float:
    """Return the weight of ``one``, in steps of a fiftieth, with the smallest log error of the mixture.

    Logarithms prevent a few long runs from dominating. ``begin`` if it is not surely worse.
    """

    def losses(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        mixtures = other + weights[:, None] * (one - other)
        found: NDArray[np.float64] = np.abs(np.log1p(mixtures) - np.log1p(truth))
        return found

    of_all = losses(_GRID)
    best = int(np.argmin(of_all.sum(axis=1)))
    gains = losses(np.array([begin]))[0] - of_all[best]
    if len(gains) == 1 or not gains.mean() > SURELY * gains.std(ddof=1) / np.sqrt(len(gains)):
        return begin
    return float(_GRID[best])


def _least_square(
    one: NDArray[np.float64], other: NDArray[np.float64], truth: NDArray[np.float64]
) -> float:
    """Return the weight of ``one`` in [0, 1] with the least squared error; ``nan`` if all are equal."""
    apart = one - other
    square = float(apart @ apart)
    return min(1.0, max(0.0, float((truth - other) @ apart) / square)) if square > 0.0 else np.nan
