"""Tests whether two variants differ, with units as observations, at any time.

The tasks of a unit are correlated, so one observation is a unit, to which the variant was assigned.
The state is six sums for each variant. They can be added over partitions, because the unit is the key
of its records.
"""

import math
from collections.abc import Iterable
from typing import Final, Self

import msgspec

ALPHA: Final = 0.05
EXPECTED_UNITS: Final = 1_000
LEAST_UNITS: Final = 50
"""Least number of units of each variant for an interval, because the interval is asymptotic."""


class UnitSums(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Sums over the units of one variant: ``n`` is a unit's number of tasks, ``s`` its total of a metric.

    Attributes:
        units: Number of units.
        tasks: ``Σ n``.
        total: ``Σ s``.
        tasks_squared: ``Σ n²``.
        cross: ``Σ n·s``.
        total_squared: ``Σ s²``.
    """

    units: int = 0
    tasks: int = 0
    total: float = 0.0
    tasks_squared: int = 0
    cross: float = 0.0
    total_squared: float = 0.0

    @classmethod
    def of(cls, units: Iterable[tuple[int, float]]) -> Self:
        """Return the sums of ``units``: pairs of number of tasks and total, one for each unit."""
        made = cls()
        for tasks, total in units:
            made = made + cls.one(tasks, total)
        return made

    @classmethod
    def one(cls, tasks: int, total: float) -> Self:
        """Return the sums of a single unit. A unit without tasks is not counted."""
        return cls(
            units=1 if tasks else 0,
            tasks=tasks,
            total=total,
            tasks_squared=tasks * tasks,
            cross=tasks * total,
            total_squared=total * total,
        )

    def __add__(self, other: Self) -> Self:
        """Add the sums of other units."""
        return self._combined(other, 1)

    def __sub__(self, other: Self) -> Self:
        """Subtract ``other``, for example the sums of a unit before its latest task."""
        return self._combined(other, -1)

    def _combined(self, other: Self, sign: int) -> Self:
        return type(self)(
            units=self.units + sign * other.units,
            tasks=self.tasks + sign * other.tasks,
            total=self.total + sign * other.total,
            tasks_squared=self.tasks_squared + sign * other.tasks_squared,
            cross=self.cross + sign * other.cross,
            total_squared=self.total_squared + sign * other.total_squared,
        )

    @property
    def mean(self) -> float:
        """Return the mean of the metric by task: ``Σ s / Σ n``.

        Raises:
            ZeroDivisionError: There are no tasks.
        """
        return self.total / self.tasks

    @property
    def variance_of_mean(self) -> float:
        """Return the variance of ``mean`` with units as clusters: ``m/(m-1) · Σ (s - mean·n)² / (Σ n)²``.

        The linearised variance of a ratio (W. Cochran, "Sampling Techniques", 3rd edition, 6.3).

        Raises:
            ZeroDivisionError: There are fewer than two units.
        """
        mean = self.mean
        squares = self.total_squared - 2.0 * mean * self.cross + mean * mean * self.tasks_squared
        correction = self.units / (self.units - 1)
        return correction * max(squares, 0.0) / (self.tasks * self.tasks)


class Difference(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The mean by task of the treatment minus that of the control.

    Attributes:
        low: Lower bound.
        estimate: The difference of the means so far.
        high: Upper bound.
        units: Number of units of both variants.
    """

    low: float
    estimate: float
    high: float
    units: int


def difference(
    control: UnitSums,
    treatment: UnitSums,
    *,
    alpha: float = ALPHA,
    expected_units: int = EXPECTED_UNITS,
) -> Difference | None:
    """Return an interval that covers the difference of the means at every look, with 1 - alpha.

    ``None`` while a variant has fewer than ``LEAST_UNITS`` units.

    Args:
        control: Sums of the control.
        treatment: Sums of the treatment.
        alpha: Probability that the interval is ever wrong, approximately.
        expected_units: Number of units of both variants at which the interval is narrowest; choose
            it before the experiment.
    """
    if min(control.units, treatment.units) < LEAST_UNITS:
        return None
    units = control.units + treatment.units
    variance = control.variance_of_mean + treatment.variance_of_mean
    reach = half_width(variance, units, alpha=alpha, expected_units=expected_units)
    estimate = treatment.mean - control.mean
    return Difference(low=estimate - reach, estimate=estimate, high=estimate + reach, units=units)


def half_width(variance: float, units: int, *, alpha: float, expected_units: int) -> float:
    """Return half the width of the two-sided asymptotic confidence sequence after ``units``.

    ``sqrt(variance) · sqrt(2 (t·r + 1) / (t·r) · ln(sqrt(t·r + 1) / alpha))`` with
    ``r = (-2 ln alpha + ln(-2 ln alpha + 1)) / t*``, the square of the paper's rho: I. Waudby-Smith, D. Arbour, R. Sinha, E. Kennedy and
    A. Ramdas, "Time-uniform central limit theory and asymptotic confidence sequences", Annals of
    Statistics 2024, theorem 2.2 and appendix B.2; ``variance`` is that of the estimate.

    Args:
        variance: Variance of the estimate.
        units: ``t``, observations so far.
        alpha: Probability that the interval is ever wrong, approximately.
        expected_units: ``t*``.
    """
    log_term = -2.0 * math.log(alpha)
    scaled = units * (log_term + math.log(log_term + 1.0)) / expected_units
    bound = 2.0 * (scaled + 1.0) / scaled * math.log(math.sqrt(scaled + 1.0) / alpha)
    return math.sqrt(variance * bound)
