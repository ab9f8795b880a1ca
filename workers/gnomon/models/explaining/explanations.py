"""Defines explanations of one prediction, as records that can be written as JSON."""

import math
from typing import Literal

import msgspec

Scale = Literal["log_seconds", "log_odds", "probability"]
"""``log_seconds`` is ``log(1 + seconds)``; ``log_odds`` is ``log(p / (1 - p))``."""


class Additive(msgspec.Struct, frozen=True, kw_only=True):
    """A quantity as a sum: ``base`` and one contribution for each input.

    Attributes:
        scale: The scale on which the terms add up.
        base: The prediction without knowledge of the task.
        contributions: What each input adds, by its name.
        method: How the contributions were computed.
    """

    scale: Scale
    base: float
    contributions: dict[str, float]
    method: str

    @property
    def total(self) -> float:
        """Return the sum of base and contributions, on ``scale``."""
        return math.fsum((self.base, *self.contributions.values()))

    @property
    def prediction(self) -> float:
        """Return the predicted seconds, or the predicted probability."""
        if self.scale == "log_seconds":
            return max(math.expm1(self.total), 0.0)
        if self.scale == "log_odds":
            return 1.0 / (1.0 + math.exp(-self.total)) if self.total > -700 else 0.0  # noqa: PLR2004
        return self.total


class InputsExplained(msgspec.Struct, frozen=True, kw_only=True, tag="inputs"):
    """A model of trees or a linear model: both quantities as sums over the inputs.

    ``longest_s`` is the longest duration that the model predicts: a greater sum is cut to it.
    """

    duration: Additive
    success: Additive
    longest_s: float | None


class PooledRuns(msgspec.Struct, frozen=True, kw_only=True):
    """A group of earlier runs in a pool.

    Attributes:
        source: ``own``: the agent's last runs of the type; ``others``: those of another agent;
            ``agent``: the agent's last runs of any type; ``all``: the median of all runs.
        agent_id: The other agent; ``None`` if the source is another.
        runs: Number of runs, if known.
        weight: Share of the weight of all runs in the duration.
        duration_s: Weighted median of the durations; those of others are scaled to this agent's speed
            and moved towards the middle of all runs.
        success_weight: Share of the weight of all runs in the probability of success.
        success_rate: Share of the runs that succeeded; that of others is moved to this agent's ability.
    """

    source: Literal["own", "others", "agent", "all"]
    agent_id: str | None
    runs: int | None
    weight: float
    duration_s: float
    success_weight: float
    success_rate: float


class PoolExplained(msgspec.Struct, frozen=True, kw_only=True, tag="pool"):
    """A pool: the groups of runs by their weight, the heaviest first.

    The predicted duration is the weighted median over all runs; ``decided_by`` is the source of the
    run at which half of the weight is reached. The predicted probability is the sum of
    ``success_weight * success_rate``.
    """

    groups: list[PooledRuns]
    decided_by: str


class MixExplained(msgspec.Struct, frozen=True, kw_only=True, tag="mix"):
    """A mix: the weights of its parts for duration and probability, and each part's explanation.

    Attributes:
        same_type_runs: The case to which the weights belong: 0, 1, or 2 for two and more.
        weights: For duration and probability, by part; ``predicted`` likewise: what counts of each part.
        within_s: Seconds between which the duration of the trees counts.
    """

    same_type_runs: int
    weights: dict[str, list[float]]
    predicted: dict[str, list[float | None]]
    within_s: tuple[float, float]
    parts: "dict[str, InputsExplained | PoolExplained | None]"


Explanation = InputsExplained | PoolExplained | MixExplained
