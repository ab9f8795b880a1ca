"""Explains a pool: which earlier runs have which weight."""

from typing import Literal, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from gnomon.models.explaining.explanations import PooledRuns, PoolExplained
from gnomon.models.learners.agents import at_ability
from gnomon.models.learners.pool import OVERALL_RATE_WEIGHT, OVERALL_WEIGHT, Pool, Pooled
from gnomon.models.learners.weighted import weighted_quantiles
from gnomon.models.protocols import Columns

_Source = Literal["own", "others", "agent", "all"]


class _Group(NamedTuple):
    """Runs of one source; durations are ``log1p`` of seconds, all arrays of shape ``(n,)``."""

    source: _Source
    agent_id: str | None
    runs: int | None
    durations: NDArray[np.float64]
    weights: NDArray[np.float64]
    success_weight: float
    success_rate: float


def explain_pool(model: object, columns: Columns) -> PoolExplained | None:
    """Explain the pool's prediction for one task; ``None`` if the model is no ``Pool``."""
    if not isinstance(model, Pool):
        return None
    groups = [group for group in _groups(model, columns) if group.weights.sum() > 0.0]
    weight = sum(float(group.weights.sum()) for group in groups)
    success_weight = sum(group.success_weight for group in groups)
    return PoolExplained(
        groups=sorted(
            (_shown(group, weight, success_weight) for group in groups),
            key=lambda shown: (-shown.weight, shown.source, shown.agent_id or ""),
        ),
        decided_by=_decides(groups),
    )


def _groups(pool: Pool, columns: Columns) -> list[_Group]:
    """Return the groups of runs for the first task of ``columns``, in the order of the pool's rule."""
    pooled = pool.pooled(columns, 1)
    weights, durations = pooled.others[0][0], pooled.others[1][0]
    owners, successes = (table[pooled.type_row[0]] for table in (pool.owners_, pool.successes_))
    at = _RateMap.of(pool, pooled)
    groups = []
    for owner in sorted(set(owners[weights > 0.0].tolist())):
        of = (owners == owner) & (weights > 0.0)
        groups.append(
            _Group(
                "others",
                str(pool.agents_.names_[owner]),
                int(of.sum()),
                durations[of],
                weights[of],
                float(weights[of].sum()),
                at.rate(float(successes[of].mean())),
            )
        )
    own_rate, any_rate = (
        float(columns[name][0]) for name in ("same_type_success_rate", "agent_success_rate")
    )
    runs = columns["same_type_runs"][0]
    known_runs = None if np.isnan(runs) else int(runs)
    groups += [
        _single("own", known_runs, pooled.own, own_rate),
        _single("agent", None, pooled.agent, any_rate),
    ]
    overall = np.array([OVERALL_WEIGHT])
    rate = at.rate(float(pool.overall_[1]))
    groups.append(_Group("all", None, None, pooled.overall[:1], overall, OVERALL_RATE_WEIGHT, rate))
    return groups


class _RateMap(NamedTuple):
    """Moves rates of others so that their mean is the rate at this agent's ability; 0 and 1 stay."""

    mean: float
    moved: float

    @classmethod
    def of(cls, pool: Pool, pooled: Pooled) -> Self:
        """Return the map for the first task of ``pooled``."""
        _, mean = pool.rate_of_others(pooled)
        return cls(float(mean[0]), float(at_ability(mean, pooled.ability)[0]))

    def rate(self, rate: float) -> float:
        """Return where ``rate`` is moved to."""
        if self.moved <= self.mean:
            return rate * self.moved / self.mean if self.mean else rate
        return 1.0 - (1.0 - rate) * (1.0 - self.moved) / (1.0 - self.mean)


def _single(
    source: _Source,
    runs: int | None,
    weight_and_mean: tuple[NDArray[np.float64], NDArray[np.float64]],
    rate: float,
) -> _Group:
    """Return a group of which only the mean duration and the success rate are known."""
    weight, mean = (values[:1] for values in weight_and_mean)
    is_rated = not np.isnan(rate)
    success_weight = float(weight[0]) if is_rated else 0.0
    return _Group(source, None, runs, mean, weight, success_weight, rate if is_rated else 0.0)


def _shown(group: _Group, weight: float, success_weight: float) -> PooledRuns:
    median = weighted_quantiles(group.durations[None, :], group.weights[None, :], (0.5,))[0, 0]
    return PooledRuns(
        source=group.source,
        agent_id=group.agent_id,
        runs=group.runs,
        weight=float(group.weights.sum()) / weight,
        duration_s=float(max(np.expm1(median), 0.0)),
        success_weight=group.success_weight / success_weight,
        success_rate=group.success_rate,
    )


def _decides(groups: list[_Group]) -> str:
    """Return the source of the run with the predicted duration, and its agent if it is another."""
    durations = np.concatenate([group.durations for group in groups])
    weights = np.concatenate([group.weights for group in groups])
    median = weighted_quantiles(durations[None, :], weights[None, :], (0.5,))[0, 0]
    deciding = next(group for group in groups if (group.durations == median).any())
    return deciding.source if deciding.agent_id is None else f"others: {deciding.agent_id}"
