"""Whether two variants differ, judged by units, at any time.

A unit's tasks are alike, so the unit is what counts as one observation (it is what was assigned).
State is six sums a variant; they add up over partitions, since a unit is the key of its records.
"""

import math
from collections.abc import Iterable
from typing import Final, Self

import msgspec

ALPHA: Final = 0.05
EXPECTED_UNITS: Final = 1_000
LEAST_UNITS: Final = 50
"""Units of each variant before there is an interval: it is asymptotic."""


class UnitSums(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Sums over the units of one variant, of each unit's tasks ``n`` and the total ``s`` of a figure.

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
        """The sums of ``units``: pairs of a unit's number of tasks and total, each unit once."""
        made = cls()
        for tasks, total in units:
            made = made + cls.one(tasks, total)
        return made

    @classmethod
    def one(cls, tasks: int, total: float) -> Self:
        """The sums of a single unit. A unit without tasks counts for nothing."""
        return cls(
            units=1 if tasks else 0,
            tasks=tasks,
            total=total,
            tasks_squared=tasks * tasks,
            cross=tasks * total,
            total_squared=total * total,
        )

    def __add__(self, other: Self) -> Self:
        """The sums of both: of other units, or of a unit as it is now."""
        return self._combined(other, 1)

    def __sub__(self, other: Self) -> Self:
        """The sums without ``other``, as of a unit that has had another task since."""
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
        """Mean of the figure by task: ``Σ s / Σ n``.

        Raises:
            ZeroDivisionError: There are no tasks.
        """
        return self.total / self.tasks

    @property
    def variance_of_mean(self) -> float:
        """Variance of ``mean`` with units as clusters: ``m/(m-1) · Σ (s - mean·n)² / (Σ n)²``.

        The linearised variance of a ratio (W. Cochran, "Sampling Techniques", 3rd edition, 6.3).

        Raises:
            ZeroDivisionError: There are fewer than two units.
        """
        mean = self.mean
        squares = self.total_squared - 2.0 * mean * self.cross + mean * mean * self.tasks_squared
        correction = self.units / (self.units - 1)
        return correction * max(squares, 0.0) / (self.tasks * self.tasks)


class Difference(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Mean by task of the treatment less that of the control.

    Attributes:
        low: Lower bound.
        estimate: The difference as it is now.
        high: Upper bound.
        units: Units of both variants.
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
    """An interval that covers the difference of the means at every look, with 1 - alpha.

    ``None`` while a variant has fewer than ``LEAST_UNITS`` units.

    Args:
        control: Sums of the control.
        treatment: Sums of the treatment.
        alpha: Probability that the interval is ever wrong, approximately.
        expected_units: Units of both variants at which the interval is to be narrowest; to be
            chosen beforehand.
    """
    if min(control.units, treatment.units) < LEAST_UNITS:
        return None
    units = control.units + treatment.units
    variance = control.variance_of_mean + treatment.variance_of_mean
    reach = half_width(variance, units, alpha=alpha, expected_units=expected_units)
    estimate = treatment.mean - control.mean
    return Difference(low=estimate - reach, estimate=estimate, high=estimate + reach, units=units)


def half_width(variance: float, units: int, *, alpha: float, expected_units: int) -> float:
    """Half the width of the two-sided asymptotic confidence sequence after ``units``.

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
