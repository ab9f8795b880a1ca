"""The conditions on losses: one comparison of a model with one baseline, held against a threshold."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from gnomon.verdict.challenger import BRIER, LOG_LOSS, SECONDS, Challenger
from gnomon.verdict.result import Criterion
from gnomon.verdict.sequence import Interval, Plan, blocks_needed, bounds, improvement
from gnomon.verdict.series import Series
from gnomon.verdict.settings import BASELINES, VerdictSettings
from gnomon.verdict.sums import Sums, T

IMPROVEMENT = "improvement"
SIMPLE_RULES = "simple_rules"
ACCURACY = "accuracy"


@dataclass(frozen=True)
class Check:
    """One loss of a model against one baseline.

    Attributes:
        criterion: Which criterion it belongs to.
        baseline: Against which baseline; ``None`` of accuracy.
        series: The moments.
        delta: The improvement needed.
        sure: Whether it must surely exceed ``delta``; else the estimate must, and nothing must
            surely speak against it.
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
        """The improvement; without bounds where there is too little evidence."""
        found = improvement(self.series, self.plan)
        return found if self.bounded else Interval(found.estimate, -math.inf, math.inf)

    @cached_property
    def _at_delta(self) -> Interval:
        return bounds(self.series, self.plan, self.delta)

    @property
    def passed(self) -> bool:
        """Whether the condition holds."""
        if self.sure:
            # Of little evidence the interval can be wider than the bound at delta alone says.
            return self._at_delta.low > 0 and self.interval.low > self.delta
        return self._at_delta.estimate > 0 and not self.lost

    @property
    def lost(self) -> bool:
        """Whether the improvement is surely less than needed."""
        return self._at_delta.high < 0 and self.interval.high < self.delta

    @property
    def hopeful(self) -> bool:
        """Whether the estimate is on the side of passing."""
        return self._at_delta.estimate > 0

    def hours_to_go(self, settings: VerdictSettings) -> float:
        """Active hours until it is sure, on the side where the estimate is, as things look."""
        t, h = self.series.t, self.series.h
        blocks = max(blocks_needed(self.series, self.plan, self.delta), settings.min_blocks)
        return max(blocks * h / t, settings.min_active_hours) - h


def checks_of(challenger: Challenger, settings: VerdictSettings, plan: Plan) -> list[Check]:
    """Every comparison there is evidence for, in the order of the criteria."""
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
    """Whether there are blocks and hours enough for the bounds to hold."""
    return series.t >= settings.min_blocks and series.h >= settings.min_active_hours


def criterion(checks: Iterable[Check], *, needed: float, required: bool = True) -> Criterion:
    """All checks of one criterion as one: passed if all are, shown by the hardest of them.

    Args:
        checks: Of the same criterion; none if nothing was compared.
        needed: What the improvement must exceed.
        required: Whether it fails where nothing was compared.
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
    """Active hours until all checks pass and decisions suffice, or until one is lost.

    Returns:
        ``None`` where that is not foreseeable.
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
    """``None`` for what is not a number that can be shown."""
    return value if math.isfinite(value) else None


def _hardness(check: Check) -> tuple[bool, float, float]:
    estimate, low, _ = check.interval
    return check.passed, low, -math.inf if math.isnan(estimate) else estimate
