"""Checks conditions on losses: each compares a model with one baseline against a threshold."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from gnomon.verdict.challenger import Challenger
from gnomon.verdict.evidence.series import Series
from gnomon.verdict.evidence.sums import Sums, T
from gnomon.verdict.evidence.task_losses import BRIER, LOG_LOSS, SECONDS
from gnomon.verdict.result import Criterion
from gnomon.verdict.sequence import Interval, Plan, blocks_needed, bounds, improvement
from gnomon.verdict.settings import BASELINES, VerdictSettings

IMPROVEMENT = "improvement"
SIMPLE_RULES = "simple_rules"
ACCURACY = "accuracy"


@dataclass(frozen=True)
class Check:
    """Compares one loss of a model with that of one baseline.

    Attributes:
        criterion: The criterion to which the check belongs.
        baseline: The name of the baseline; ``None`` for the accuracy.
        series: The moments of the losses.
        delta: The improvement needed.
        sure: Whether the lower bound must exceed ``delta``. If not, the estimate must exceed it, and
            the upper bound must not be below it.
        bounded: Whether there are enough blocks and hours for bounds.
    """

    criterion: str
    baseline: str | None
    series: Series
    plan: Plan
    delta: float
    sure: bool
    bounded: bool

    @cached_property
    def interval(self) -> Interval:
        """Return the improvement; its bounds are infinite if there is too little evidence."""
        found = improvement(self.series, self.plan)
        return found if self.bounded else Interval(found.estimate, -math.inf, math.inf)

    @cached_property
    def _at_delta(self) -> Interval:
        return bounds(self.series, self.plan, self.delta)

    @property
    def passed(self) -> bool:
        """Return whether the condition holds."""
        if self.sure:
            # With little evidence, the interval can be wider than the bound at delta alone shows.
            return self._at_delta.low > 0 and self.interval.low > self.delta
        return self._at_delta.estimate > 0 and not self.lost

    @property
    def lost(self) -> bool:
        """Return whether the improvement is surely less than needed."""
        return self._at_delta.high < 0 and self.interval.high < self.delta

    @property
    def hopeful(self) -> bool:
        """Return whether the estimate exceeds ``delta``."""
        return self._at_delta.estimate > 0

    def hours_to_go(self, settings: VerdictSettings) -> float:
        """Estimate the active hours until a bound leaves 0 on the side of the estimate."""
        t, h = self.series.t, self.series.h
        blocks = max(blocks_needed(self.series, self.plan, self.delta), settings.min_blocks)
        return max(blocks * h / t, settings.min_active_hours) - h


def checks_of(challenger: Challenger, settings: VerdictSettings, plan: Plan) -> list[Check]:
    """Return every comparison for which there is evidence, in the order of the criteria."""
    reference = settings.reference
    found: list[Check] = []

    def add(
        criterion: str, name: str | None, sums: Sums | None, delta: float, *, sure: bool
    ) -> None:
        if sums is not None and sums.blocks[T]:
            series = Series.of(sums)
            bounded = is_enough(series, settings)
            found.append(Check(criterion, name, series, plan, delta, sure, bounded))

    versus = {
        name: challenger.against[name].sums for name in BASELINES if name in challenger.against
    }
    every = settings.sure_against_every
    add(IMPROVEMENT, reference, versus.get(reference, {}).get(LOG_LOSS), settings.delta, sure=True)
    for name, sums in versus.items():
        if name != reference:
            add(SIMPLE_RULES, name, sums.get(LOG_LOSS), 0.0, sure=every)
    for loss in (SECONDS, BRIER):
        for name, sums in versus.items():
            add(loss, name, sums.get(loss), 0.0, sure=every or name == reference)
    add(ACCURACY, None, challenger.hits, settings.accuracy, sure=True)
    return found


def is_enough(series: Series, settings: VerdictSettings) -> bool:
    """Return whether there are enough blocks and hours for the bounds to hold."""
    return series.t >= settings.min_blocks and series.h >= settings.min_active_hours


def criterion(checks: Iterable[Check], *, needed: float, required: bool = True) -> Criterion:
    """Combine all checks of one criterion: it passes if all pass, and shows the hardest of them.

    Args:
        checks: The checks of one criterion; none if nothing was compared.
        needed: What the improvement must exceed.
        required: Whether the criterion fails if nothing was compared.
    """
    ranked = sorted(checks, key=_hardness)
    if not ranked:
        return Criterion(passed=not required, needed=needed)
    hardest = ranked[0]
    estimate, low, high = hardest.interval
    return Criterion(
        passed=all(check.passed for check in ranked),
        estimate=finite(estimate),
        low=finite(low),
        high=finite(high),
        needed=needed,
        against=hardest.baseline,
    )


def hours_to_decide(
    checks: Sequence[Check], settings: VerdictSettings, *, decisions: int
) -> int | None:
    """Estimate the active hours until all checks pass with enough decisions, or until one is lost.

    Returns:
        ``None`` if there is no estimate.
    """
    if not decisions or not any(check.criterion == IMPROVEMENT for check in checks):
        return None
    hopeless = [check.hours_to_go(settings) for check in checks if not check.hopeful]
    if hopeless:
        hours = min(hopeless)
    else:
        active = checks[0].series.h
        hours = max((c.hours_to_go(settings) for c in checks if not c.passed), default=0.0)
        hours = max(hours, (settings.min_decisions + 1 - decisions) * active / decisions)
    return math.ceil(hours) if 0 < hours < math.inf else None


def finite(value: float) -> float | None:
    """Return ``value``, or ``None`` if it is infinite or not a number."""
    return value if math.isfinite(value) else None


def _hardness(check: Check) -> tuple[bool, float, float]:
    estimate, low, _ = check.interval
    return check.passed, low, -math.inf if math.isnan(estimate) else estimate
