"""Compares a model with the reference baseline on the tasks of each agent and of each type."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from gnomon.verdict.checks import is_enough
from gnomon.verdict.evidence.decided import Decided, JudgedPrediction
from gnomon.verdict.evidence.losses import LOG_CAP, Pair, on_log_axis, pair
from gnomon.verdict.evidence.series import Series
from gnomon.verdict.evidence.sums import Sums, T
from gnomon.verdict.harm import e_bh, e_value
from gnomon.verdict.sequence import Plan, improvement
from gnomon.verdict.settings import VerdictSettings

MOST_SLICES: Final = 1_000
"""Agents, or types, after the first 1,000 are one slice together."""
OTHERS: Final = "(all others)"


class Slice(NamedTuple):
    """The improvement of log loss over the reference baseline on a part of the tasks.

    Attributes:
        blocks: Number of agent-hours.
        low: Bound of ``estimate``; ``None`` if there are too few blocks or hours. ``high`` likewise.
        e_value: Evidence of harm; ``None`` if there are too few hours.
        harmed: Whether e-BH rejects "no harm" among the slices of its kind.
    """

    name: str
    decisions: int
    blocks: int
    estimate: float | None
    low: float | None
    high: float | None
    e_value: float | None
    harmed: bool


@dataclass(slots=True)
class _Part:
    sums: Sums = field(default_factory=Sums)
    decisions: int = 0
    hour: int = 0

    def add(self, decided: Decided, baseline: int, model: int) -> None:
        if decided.hour > self.hour:
            self.sums.close_hours(decided.hour)  # decisions come in the order of their hours
            self.hour = decided.hour
        self.sums.add(decided.agent_id, decided.hour, baseline, model)
        self.decisions += 1


class Slices:
    """Collects the slices of one model; decisions must be added in the order of their hours.

    Args:
        by_agent: Whether slices by agent are wanted beside those by task type.

    Attributes:
        agents: The slices by agent; ``types``: by task type.
    """

    def __init__(self, *, by_agent: bool = True) -> None:
        self.agents: dict[str, _Part] = {}
        self.types: dict[str, _Part] = {}
        self._by_agent = by_agent

    def add(
        self,
        decided: Decided,
        model: JudgedPrediction,
        reference: JudgedPrediction | None,
        *,
        is_mature: bool,
    ) -> None:
        """Add one task as the evidence counts it: once it is mature, and an expired one by its age."""
        actual_s = decided.duration_s if is_mature else None
        if decided.status == "expired":
            actual_s = decided.age_s
        if reference is None or reference.duration_s is None:
            return
        if model.duration_s is None or actual_s is None:
            return
        theirs, ours = on_log_axis(reference.duration_s), on_log_axis(model.duration_s)
        losses = pair(theirs, ours, on_log_axis(actual_s), LOG_CAP)
        self._grow(self.types, decided.task_type, decided, losses)
        if self._by_agent:
            self._grow(self.agents, decided.agent_id, decided, losses)

    @staticmethod
    def _grow(parts: dict[str, _Part], name: str, decided: Decided, losses: Pair) -> None:
        kept = name if name in parts or len(parts) < MOST_SLICES else OTHERS
        parts.setdefault(kept, _Part()).add(decided, losses.baseline, losses.model)


def judged(parts: Mapping[str, _Part], settings: VerdictSettings) -> list[Slice]:
    """Return the slices: the harmed first, then the bounded, the worst first, then the others by size.

    The e-value is computed from the hours' totals, since the agents of one hour share its events.
    """
    plan, series, e_values = Plan.of(settings), dict[str, Series](), dict[str, float]()
    for name, part in parts.items():
        part.sums.close_hours()
        series[name] = Series.of(part.sums)
        if part.sums.hours.row[T] >= settings.min_blocks:
            e_values[name] = e_value(part.sums.hours.row, plan)
    harmed = set(e_bh(e_values, plan.alpha))
    found = []
    for name, part in parts.items():
        interval, enough = improvement(series[name], plan), is_enough(series[name], settings)
        found.append(
            Slice(
                name=name,
                decisions=part.decisions,
                blocks=series[name].t,
                estimate=_finite(interval.estimate),
                low=_finite(interval.low) if enough else None,
                high=interval.high if enough else None,
                e_value=e_values.get(name),
                harmed=name in harmed,
            )
        )
    return sorted(found, key=_order)


def _order(one: Slice) -> tuple[bool, bool, float, int, str]:
    bounded = one.low is not None and one.estimate is not None
    return (
        not one.harmed,
        not bounded,
        one.estimate if bounded and one.estimate is not None else 0.0,
        -one.decisions,
        one.name,
    )


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
