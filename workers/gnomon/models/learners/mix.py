"""Implements the mix: a pool and trees, weighted by how often the agent has done this task type.

The duration that the trees predict counts only as far as it lies within the pool's 80 % interval: trees
that know few runs of an agent may be wrong by a factor that no weight makes up for. The weights are
fitted on recorded predictions that the parts of earlier versions made in the shadow of production. While
there are none, they are fitted on what parts that know the first half of the runs predict of the second
half. They are never fitted on predictions for runs of a part's own training data.
"""

from collections.abc import Mapping, Sequence
from typing import Final, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gnomon.events import Comparison
from gnomon.models.estimator import TaskModel
from gnomon.models.learners.columnwise import Columnwise
from gnomon.models.learners.mix_weights import (
    BOOSTED,
    POOL,
    Recorded,
    bucket_of,
    fitted_weights,
    initial_weights,
    recorded,
)
from gnomon.models.learners.pool import Pool
from gnomon.models.learners.trees import Boosted
from gnomon.models.protocols import Columns, Estimates
from gnomon.models.runs import MIN_DECISIONS, outcomes_of
from gnomon.models.table import COLUMNS, columns_of, context_columns, to_frame

WITHIN: Final = (0.1, 0.9)
"""Quantiles of the pool between which the duration of the trees counts."""


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
        """Return the mix, and what counts of its parts. If one part has no number, the other counts alone."""
        return self._mixed(self.pool_.estimate(columns, count, WITHIN), columns)

    def estimate(self, columns: Columns, count: int, levels: Sequence[float]) -> Estimates:
        """Return the mix, its parts, and the pool's quantiles, scaled to the mix's duration."""
        wanted = list(dict.fromkeys((*WITHIN, *levels)))
        of_pool = self.pool_.estimate(columns, count, wanted)
        values, parts = self._mixed(of_pool, columns)
        quantiles = of_pool.quantiles[:, [wanted.index(level) for level in levels]]
        scale = np.log1p(np.maximum(values[:, 0], 0.0)) - np.log1p(of_pool.values[:, 0])
        scaled = np.expm1(np.log1p(quantiles) + scale[:, None])
        return Estimates(values, np.maximum(scaled, 0.0), parts)

    def _mixed(
        self, of_pool: Estimates, columns: Columns
    ) -> tuple[NDArray[np.float64], Mapping[str, NDArray[np.float64]]]:
        pool = of_pool.values
        boosted = self.boosted_.predict_columns(columns, len(pool))
        low, high = of_pool.quantiles[:, 0], of_pool.quantiles[:, 1]
        boosted[:, 0] = np.minimum(np.maximum(boosted[:, 0], low), high)
        weights = self.weights_[bucket_of(columns["same_type_runs"])]
        mixed = weights * pool + (1.0 - weights) * boosted
        mixed = np.where(np.isfinite(pool), np.where(np.isfinite(boosted), mixed, pool), boosted)
        return mixed, {POOL: pool, BOOSTED: boosted}


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


class MixLearner:
    """Makes a mix of a pool and boosted trees.

    Args:
        seed: Seed of the trees.
        weights: Weights of the pool; by default those that no runs have moved.
    """

    name: Final = "mix"

    def __init__(self, *, seed: int = 0, weights: NDArray[np.float64] | None = None) -> None:
        self._seed = seed
        if weights is None:
            weights = fitted_weights(recorded(()), initial_weights(()))
        self._weights = weights

    def with_record(self, runs: Sequence[Comparison]) -> Self:
        """Return the learner with weights fitted on the recorded predictions of ``runs``, by time."""
        seen = recorded(runs)
        if not len(seen.bucket):
            seen = held_out(runs, seed=self._seed)
        return type(self)(seed=self._seed, weights=fitted_weights(seen, initial_weights(runs)))

    def fit(
        self, frame: pd.DataFrame, durations: NDArray[np.float64], successes: NDArray[np.bool_]
    ) -> Mix:
        """Fit both parts, which takes as long as the two together."""
        pool = Pool().fit(frame, durations, successes)
        boosted = Boosted(seed=self._seed).fit(frame, durations, successes)
        return Mix(pool, boosted, self._weights)
