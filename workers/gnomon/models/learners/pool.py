"""Implements the pool: it predicts a weighted median of earlier runs, and a weighted success rate.

Three kinds of runs are pooled for a task: the agent's own last runs of its type, other agents' last
runs of the type, and the agent's last runs of any type. The agent's own runs are part of the task's
feature vector; the others' are stored in the model. Others' durations are scaled to this agent's speed
and moved towards the middle of all runs, the further the fewer agents have done the type; their success
to this agent's ability. For work that nearly repeats, a pool is better than trees, which average over
different work.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gnomon.models.learners.agents import (
    LAST_RUNS,
    abilities,
    ability_of,
    at_ability,
    rates_of_types,
    speeds,
)
from gnomon.models.learners.columnwise import Columnwise
from gnomon.models.learners.names import Names
from gnomon.models.learners.spread import repeat_spread, variance_ratios
from gnomon.models.learners.type_table import TypeTable, last_runs
from gnomon.models.learners.weighted import weighted_quantiles
from gnomon.models.protocols import Columns, Estimates

OWN_WEIGHT: Final = 1.0
"""Weight of each of the agent's own last runs of the type; each counts with the mean of all of them."""
OTHERS_WEIGHT: Final = 0.04
"""Weight of each run of another agent."""
AGENT_WEIGHT: Final = 0.1
"""Weight of the agent's last runs of any type together."""
OVERALL_WEIGHT: Final = 1e-6
"""Weight of the median of all runs, which decides only if nothing else is known."""
OVERALL_RATE_WEIGHT: Final = 2 * OTHERS_WEIGHT
"""Weight of the success rate of all runs."""

_MEAN_ALONE: Final = np.zeros(1)


class Pooled(NamedTuple):
    """The data on each task of a batch; durations are ``log1p`` of seconds.

    Attributes:
        type_row: Row of its type in the pool's tables.
        own: Weight and mean of the agent's own runs of the type.
        others: Weights and durations of other agents' runs, shape ``(n, w)`` each.
        agent: Weight and mean of the agent's runs of any type.
        overall: Duration of all runs, scaled to this agent's speed.
        ability: How much more often this agent succeeds than others, as log odds.
    """

    type_row: NDArray[np.intp]
    own: tuple[NDArray[np.float64], NDArray[np.float64]]
    others: tuple[NDArray[np.float64], NDArray[np.float64]]
    agent: tuple[NDArray[np.float64], NDArray[np.float64]]
    overall: NDArray[np.float64]
    ability: NDArray[np.float64]


class Pool(Columnwise):
    """Keeps earlier runs of every task type, and how fast each agent is.

    Durations are kept as ``log1p`` of seconds; ``w`` is the largest number of runs of one type.

    Attributes:
        agents_: Agents with runs; ``speeds_`` and ``abilities_`` have one more, 0, for all others.
        known_: Number of the agents' runs, at most ``LAST_RUNS``, and 0.
        types_: Task types with runs.
        runs_: Durations less their agents' speeds, ascending; shape ``(types + 1, w)``, infinity
            where there is none. The last row, for unknown types, has none.
        owners_: The row in ``agents_`` of the agent of each of ``runs_``, or -1.
        successes_: 1 or 0 for each of ``runs_``.
        counts_: Number of runs of each type, and of agents with such runs; shape ``(types + 1, 2)``.
        ratios_: What ``variance_ratios`` finds in these runs.
        overall_: Median of the durations less speeds, and success rate, of all runs.
        spread_: How far a run is from the mean of its agent's other runs of the type.
        type_table_: The table from which the baseline ``type`` predicts.
    """

    def fit(
        self, frame: pd.DataFrame, durations: NDArray[np.float64], successes: NDArray[np.bool_]
    ) -> Self:
        """Keep the last runs of each type, from one row for each run, by time; durations in seconds."""
        self.strings_ = ["agent_id", "task_type"]
        self.doubles_ = [
            "same_type_runs",
            "same_type_avg_execution_time",
            "same_type_success_rate",
            "agent_runs",
            "agent_avg_execution_time",
            "agent_success_rate",
        ]
        agents, types = frame["agent_id"].tolist(), frame["task_type"].tolist()
        logs = np.log1p(durations)
        rows = last_runs(types)
        self.agents_ = Names().fit(dict.fromkeys(agents))
        self.types_ = Names().fit(rows)
        owner = self.agents_.rows(agents)
        means = np.array([*(logs[those].mean() for those in rows.values()), logs.mean()])
        of_type = self.types_.rows(types)
        self.speeds_ = speeds(logs - means[of_type], owner, len(self.agents_))
        rates = rates_of_types(rows, successes)[of_type]
        self.abilities_ = abilities(rates, successes, owner, len(self.agents_))
        counts = np.bincount(owner, minlength=len(self.agents_) + 1)
        self.known_ = np.minimum(counts, LAST_RUNS).astype(np.float64)
        residuals = logs - self.speeds_[owner]
        self._keep(list(rows.values()), residuals, owner, successes)
        self.overall_ = np.array([np.median(residuals), successes.mean()], np.float64)
        self.spread_ = repeat_spread(durations, agents, types)
        self.type_table_ = TypeTable().fit(types, durations, successes)
        return self

    def predict_columns(self, columns: Columns, count: int) -> NDArray[np.float64]:
        """Return seconds and probability of success, shape ``(count, 2)``."""
        return self._values(self.pooled(columns, count), columns)

    def estimate(self, columns: Columns, count: int, levels: Sequence[float]) -> Estimates:
        """Return the values, and quantiles of the duration.

        Only the mean of the agent's own runs of the type is known. They are assumed to spread around
        it as repeated runs do in general.
        """
        pooled = self.pooled(columns, count)
        return Estimates(self._values(pooled, columns), _quantiles(pooled, self.spread_, levels))

    def _values(self, pooled: Pooled, columns: Columns) -> NDArray[np.float64]:
        predicted = np.empty((len(pooled.overall), 2))
        predicted[:, :1] = _quantiles(pooled, _MEAN_ALONE, (0.5,))
        predicted[:, 1] = self._rates(pooled, columns)
        return predicted

    def _keep(
        self,
        of_types: Sequence[Sequence[int]],
        residuals: NDArray[np.float64],
        owner: NDArray[np.intp],
        successes: NDArray[np.bool_],
    ) -> None:
        shape = (len(of_types) + 1, max(map(len, of_types), default=0))
        self.runs_ = np.full(shape, np.inf)
        self.owners_ = np.full(shape, -1, dtype=np.int32)
        self.successes_ = np.zeros(shape)
        self.counts_ = np.zeros((shape[0], 2))
        for at, rows in enumerate(of_types):
            ascending = np.array(rows)[np.argsort(residuals[rows], kind="stable")]
            self.runs_[at, : len(rows)] = residuals[ascending]
            self.owners_[at, : len(rows)] = owner[ascending]
            self.successes_[at, : len(rows)] = successes[ascending]
            self.counts_[at] = len(rows), len(np.unique(owner[ascending]))
        kept = self.owners_ >= 0
        type_row = np.nonzero(kept)[0]
        owners = self.owners_[kept].astype(np.intp)
        self.ratios_ = np.array(variance_ratios(self.runs_[kept], type_row, owners), np.float64)

    def pooled(self, columns: Columns, count: int) -> Pooled:
        """Return the runs that are pooled for each task, with their weights."""
        agent = self.agents_.rows(columns["agent_id"])
        type_row = self.types_.rows(columns["task_type"])
        speed = self.speeds_[agent]
        is_other = (self.owners_[type_row] >= 0) & (self.owners_[type_row] != agent[:, None])
        own, own_mean = _known(columns["same_type_avg_execution_time"])
        _, own_runs = _known(columns["same_type_runs"])
        any_type, any_mean = _known(columns["agent_avg_execution_time"])
        return Pooled(
            type_row=type_row,
            own=(OWN_WEIGHT * own * own_runs, np.log1p(own_mean)),
            others=(OTHERS_WEIGHT * is_other, self._moved(type_row, is_other) + speed[:, None]),
            agent=(AGENT_WEIGHT * any_type, np.log1p(any_mean)),
            overall=np.full(count, self.overall_[0]) + speed,
            ability=self._abilities(agent, columns),
        )

    def _moved(
        self, type_row: NDArray[np.intp], is_other: NDArray[np.bool_]
    ) -> NDArray[np.float64]:
        """Return others' durations, moved towards the median of all runs as random effects are."""
        count, (of_type, agents) = is_other.sum(axis=1), self.counts_[type_row].T
        others = np.maximum(agents - (count < of_type), 1.0)
        of_agents, of_runs = self.ratios_
        share = 1.0 / (1.0 + of_agents / others + of_runs / np.maximum(count, 1))
        middle = self.overall_[0]
        moved: NDArray[np.float64] = middle + share[:, None] * (self.runs_[type_row] - middle)
        return moved

    def _abilities(self, agent: NDArray[np.intp], columns: Columns) -> NDArray[np.float64]:
        """Return the stored abilities, or those of the last runs where more of these are known."""
        is_rated, rate = _known(columns["agent_success_rate"])
        _, last = _known(columns["agent_runs"])
        live = ability_of(rate, last * is_rated, float(self.overall_[1]))
        return np.where(self.known_[agent] < last * is_rated, live, self.abilities_[agent])

    def _rates(self, pooled: Pooled, columns: Columns) -> NDArray[np.float64]:
        (own, _), (any_type, _) = pooled.own, pooled.agent
        own_known, own_rate = _known(columns["same_type_success_rate"])
        any_known, any_rate = _known(columns["agent_success_rate"])
        own, any_type = own * own_known, any_type * any_known
        weight, rate = self.rate_of_others(pooled)
        succeeded = weight * at_ability(rate, pooled.ability)
        rates: NDArray[np.float64] = (succeeded + own * own_rate + any_type * any_rate) / (
            weight + own + any_type
        )
        return rates

    def rate_of_others(self, pooled: Pooled) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the weight and the success rate of others' runs and of all runs, at average ability."""
        weights = pooled.others[0]
        weight = weights.sum(axis=1) + OVERALL_RATE_WEIGHT
        succeeded = np.einsum("ij,ij->i", weights, self.successes_[pooled.type_row])
        return weight, (succeeded + OVERALL_RATE_WEIGHT * self.overall_[1]) / weight


def _known(column: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return 1 for each finite value and 0 for the others, and the values with 0 for the others."""
    known = ~np.isnan(column)
    return known.astype(np.float64), np.where(known, column, 0.0)


def _quantiles(
    pooled: Pooled, spread: NDArray[np.float64], levels: Sequence[float]
) -> NDArray[np.float64]:
    """Return seconds, shape ``(n, len(levels))``; own runs spread around their mean by ``spread``."""
    (own, own_mean), (others, durations), (any_type, any_mean) = (
        pooled.own, pooled.others, pooled.agent,
    )  # fmt: skip
    count, w, points = len(own), others.shape[1], len(spread)
    values, weights = np.empty((2, count, w + points + 2))
    values[:, :w], weights[:, :w] = durations, others
    values[:, w : w + points] = own_mean[:, None] + spread
    weights[:, w : w + points] = own[:, None] / points
    values[:, -2], weights[:, -2] = any_mean, any_type
    values[:, -1], weights[:, -1] = pooled.overall, OVERALL_WEIGHT
    return np.maximum(np.expm1(weighted_quantiles(values, weights, levels)), 0.0)


class PoolLearner:
    """Makes a pool alone."""

    name: Final = "pool"

    def fit(
        self, frame: pd.DataFrame, durations: NDArray[np.float64], successes: NDArray[np.bool_]
    ) -> Pool:
        """Fit a pool. This takes about 10 ms for 2,700 rows; a prediction call 0.1 ms and 4 µs a row."""
        return Pool().fit(frame, durations, successes)
