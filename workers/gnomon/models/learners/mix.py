"""Implements the mix: a pool and trees, weighted by how often the agent has done this task type.

The weights are fitted on recorded predictions that the parts of earlier versions made in the shadow of
production. While there are none, they are fitted on what parts that know the first half of the runs
predict of the second half. They are never fitted on predictions for runs of a part's own training data.
"""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gnomon.events import Comparison, ModelPrediction
from gnomon.models.estimator import TaskModel
from gnomon.models.learners.columnwise import Columnwise
from gnomon.models.learners.pool import Pool
from gnomon.models.learners.trees import Boosted
from gnomon.models.protocols import Columns, Estimates
from gnomon.models.runs import MIN_DECISIONS, outcomes_of
from gnomon.models.table import COLUMNS, columns_of, context_columns, to_frame

POOL: Final = "pool"
BOOSTED: Final = "boosted"

BUCKETS: Final = 3
"""Number of cases with weights of their own: the agent has done 0, 1, or more runs of the type."""
PRIOR_WEIGHTS: Final = (0.6, 0.9, 0.9)
"""Weight of the pool by bucket before any runs have shown a better one: repeats are nearly always alike."""
PRIOR_RUNS: Final = 50.0
"""Count of the initial weights when they are averaged with weights fitted on ``n`` runs, which count ``n``."""
MAX_RECORDED: Final = 2_000
"""Most recorded runs on which weights are fitted: the last ones."""

_GRID: Final = np.linspace(0.0, 1.0, 51)


class Mix(Columnwise):
    """A convex combination of the durations and probabilities of a pool and of trees.

    Args:
        pool: The fitted pool.
        boosted: The fitted trees.
        weights: Weights of the pool, shape ``(BUCKETS, 2)``: for the duration and the probability.
    """

    def __init__(self, pool: Pool, boosted: TaskModel, weights: NDArray[np.float64]) -> None:
        self.pool_, self.boosted_, self.weights_ = pool, boosted, weights
        self.type_table_ = pool.type_table_
        self.strings_ = sorted({*pool.strings_, *boosted.strings_})
        self.doubles_ = sorted({*pool.doubles_, *boosted.doubles_})

    def predict_columns(self, columns: Columns, count: int) -> NDArray[np.float64]:
        """Return seconds and probability of success, shape ``(count, 2)``."""
        return self.predict_parts(columns, count)[0]

    def predict_parts(
        self, columns: Columns, count: int
    ) -> tuple[NDArray[np.float64], Mapping[str, NDArray[np.float64]]]:
        """Return the mix and its parts' predictions. If one part has no number, the other counts alone."""
        return self._mixed(self.pool_.predict_columns(columns, count), columns)

    def estimate(self, columns: Columns, count: int, levels: Sequence[float]) -> Estimates:
        """Return the mix, its parts, and the pool's quantiles, scaled to the mix's duration."""
        of_pool = self.pool_.estimate(columns, count, levels)
        values, parts = self._mixed(of_pool.values, columns)
        scale = np.log1p(np.maximum(values[:, 0], 0.0)) - np.log1p(of_pool.values[:, 0])
        scaled = np.expm1(np.log1p(of_pool.quantiles) + scale[:, None])
        return Estimates(values, np.maximum(scaled, 0.0), parts)

    def _mixed(
        self, pool: NDArray[np.float64], columns: Columns
    ) -> tuple[NDArray[np.float64], Mapping[str, NDArray[np.float64]]]:
        boosted = self.boosted_.predict_columns(columns, len(pool))
        weights = self.weights_[bucket_of(columns["same_type_runs"])]
        mixed = weights * pool + (1.0 - weights) * boosted
        mixed = np.where(np.isfinite(pool), np.where(np.isfinite(boosted), mixed, pool), boosted)
        return mixed, {POOL: pool, BOOSTED: boosted}


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


def held_out(runs: Sequence[Comparison], *, seed: int) -> Recorded:
    """Return what parts predict of the second half of ``runs`` that know only what had ended before it.

    Args:
        runs: By time.
        seed: Seed of the trees.
    """
    middle = len(runs) // 2
    later = runs[middle:]
    known = [run for run in runs[:middle] if run.outcome.at_ms <= later[0].started_at_ms]
    if len(known) < MIN_DECISIONS:
        return recorded(())
    columns = (*COLUMNS, *context_columns(known))
    parts = MixLearner(seed=seed).fit(to_frame(known, columns), *outcomes_of(known))
    _, said = parts.predict_parts(columns_of(later, columns), len(later))
    earlier = np.array([run.features.same_type_runs for run in later], np.float64)
    return Recorded(
        said[POOL], said[BOOSTED], np.column_stack(outcomes_of(later)), bucket_of(earlier)
    )


def _newest(predictions: Sequence[ModelPrediction]) -> ModelPrediction | None:
    mixed = [prediction for prediction in predictions if {POOL, BOOSTED} <= prediction.parts.keys()]
    return mixed[-1] if mixed else None


def fitted_weights(seen: Recorded) -> NDArray[np.float64]:
    """Fit the pool's weights, shape ``(BUCKETS, 2)``, for durations and probabilities.

    The runs of each bucket move its weights away from ``PRIOR_WEIGHTS``. Runs of another bucket do
    not: trees are often better for a first attempt, and worse for a repeat.
    """
    return np.stack(
        [
            _drawn(seen, seen.bucket == bucket, np.full(2, prior))
            for bucket, prior in enumerate(PRIOR_WEIGHTS)
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
            _least_log_error(pool[:, 0], boosted[:, 0], truth[:, 0]),
            _least_square(pool[:, 1], boosted[:, 1], truth[:, 1]),
        ]
    )
    best = np.where(np.isnan(best), begin, best)
    return begin + count / (count + PRIOR_RUNS) * (best - begin)


def _least_log_error(
    one: NDArray[np.float64], other: NDArray[np.float64], truth: NDArray[np.float64]
) -> float:
    """Return the weight of ``one``, in steps of a fiftieth, with the smallest log error of the mixture.

    Logarithms prevent a few long runs from dominating. ``nan`` if all weights are equally good.
    """
    mixtures = other + _GRID[:, None] * (one - other)
    losses = np.abs(np.log1p(mixtures) - np.log1p(truth)).sum(axis=1)
    return float(_GRID[np.argmin(losses)]) if losses.max() > losses.min() else np.nan


def _least_square(
    one: NDArray[np.float64], other: NDArray[np.float64], truth: NDArray[np.float64]
) -> float:
    """Return the weight of ``one`` in [0, 1] with the least squared error; ``nan`` if all are equal."""
    apart = one - other
    square = float(apart @ apart)
    return min(1.0, max(0.0, float((truth - other) @ apart) / square)) if square > 0.0 else np.nan


class MixLearner:
    """Makes a mix of a pool and boosted trees.

    Args:
        seed: Seed of the trees.
        weights: Weights of the pool; by default those that no runs have moved.
    """

    name: Final = "mix"

    def __init__(self, *, seed: int = 0, weights: NDArray[np.float64] | None = None) -> None:
        self._seed = seed
        self._weights = fitted_weights(recorded(())) if weights is None else weights

    def with_record(self, runs: Sequence[Comparison]) -> Self:
        """Return the learner with weights fitted on the recorded predictions of ``runs``, by time."""
        seen = recorded(runs)
        if not len(seen.bucket):
            seen = held_out(runs, seed=self._seed)
        return type(self)(seed=self._seed, weights=fitted_weights(seen))

    def fit(
        self, frame: pd.DataFrame, durations: NDArray[np.float64], successes: NDArray[np.bool_]
    ) -> Mix:
        """Fit both parts, which takes as long as the two together."""
        pool = Pool().fit(frame, durations, successes)
        boosted = Boosted(seed=self._seed).fit(frame, durations, successes)
        return Mix(pool, boosted, self._weights)
