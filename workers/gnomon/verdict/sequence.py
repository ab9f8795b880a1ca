"""Computes bounds on a mean that hold at every look: the asymptotic confidence sequence.

Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas, "Time-uniform central limit theory and asymptotic
confidence sequences", Annals of Statistics 52 (2024), arXiv 2103.06476, one-sided. It is applied to
``Z = p * baseline - q * model`` summed by agent-hour block, with ``p = 1 - delta`` and ``q = 1``.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NamedTuple, Self

from gnomon.verdict.evidence.series import Series
from gnomon.verdict.settings import VerdictSettings

_STEPS: Final = 48
"""Steps between the estimate and the end of the axis in the search for a bound's change of sign."""


class Interval(NamedTuple):
    """An estimate with its bounds: infinite if there is no bound, NaN if it is not defined."""

    estimate: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Plan:
    """The parameters of the bounds.

    Attributes:
        alpha: Probability that one bound is ever wrong.
        rho: Tuning parameter: with it, bounds are tightest at ``t_star`` blocks.
    """

    alpha: float
    rho: float

    @classmethod
    def of(cls, settings: VerdictSettings) -> Self:
        """Compute the plan from the settings (equation for rho: appendix B.2 of the paper)."""
        twice = 2 * settings.alpha
        log = -2 * math.log(twice)
        return cls(settings.alpha, math.sqrt((log + math.log(log + 1)) / settings.t_star))

    def half_width(self, t: float) -> float:
        """Return the distance of a bound from the mean of ``t`` blocks, in standard deviations of a block."""
        w = t * self.rho**2 + 1
        return math.sqrt(2 * w / (t * self.rho) ** 2 * math.log1p(math.sqrt(w) / (2 * self.alpha)))


def bounds(series: Series, plan: Plan, delta: float, *, future: bool = False) -> Interval:
    """Return the mean of ``(1 - delta) * baseline - model`` over blocks, with its bounds."""
    return _bounds(series, plan, 1 - delta, 1.0, future=future)


def improvement(series: Series, plan: Plan, *, future: bool = False) -> Interval:
    """Return 1 - model's loss / baseline's, and the range of delta that the bounds do not exclude.

    The values of delta for which 0 lies between the two bounds of ``bounds`` form a confidence
    sequence. The search runs over directions (p, q) on a circle and looks for the outermost change of
    sign. If the values that are not excluded form several ranges, the interval covers all of them.
    With little evidence it is unbounded.
    """
    if not series.b > 0:
        return Interval(math.nan, -math.inf, 1.0)
    estimate = 1 - series.c / series.b
    centre = math.atan2(series.c, series.b)

    def lower(angle: float) -> float:
        return _bounds(series, plan, math.sin(angle), math.cos(angle), future=future).low

    def upper(angle: float) -> float:
        return -_bounds(series, plan, math.sin(angle), math.cos(angle), future=future).high

    most = _outermost(lower, centre, math.pi / 2)
    least = _outermost(upper, centre, 0.0)
    low = -math.inf if most is None else 1 - math.tan(most)
    return Interval(
        estimate, min(low, estimate), 1.0 if least is None else max(1 - math.tan(least), estimate)
    )


def blocks_needed(series: Series, plan: Plan, delta: float, *, most: float = 1e9) -> float:
    """Estimate the number of blocks at which a bound leaves 0 if mean and variance do not change.

    Returns:
        A number of blocks; ``math.inf`` if it is more than ``most``.
    """
    mean, sd = abs(series.mean(1 - delta)), math.sqrt(series.variance(1 - delta))
    if mean == 0 or plan.half_width(most) * sd >= mean:
        return math.inf
    low, high = 1.0, most
    while high - low > max(0.5, 1e-6 * high):
        middle = (low + high) / 2
        if plan.half_width(middle) * sd < mean:
            high = middle
        else:
            low = middle
    return high


def _bounds(series: Series, plan: Plan, p: float, q: float, *, future: bool) -> Interval:
    mean, variance = series.mean(p, q), series.variance(p, q, future=future)
    half = math.sqrt(variance) * plan.half_width(series.t)
    return Interval(mean, mean - half, mean + half)


def _outermost(value: Callable[[float], float], start: float, end: float) -> float | None:
    """Return where ``value`` becomes positive for good on the way to ``end``; ``None`` if it is not at ``end``."""
    if not value(end) > 0:
        return None
    outside = end
    for step in range(_STEPS - 1, -1, -1):
        inside = start + (end - start) * step / _STEPS
        if not value(inside) > 0:
            break
        outside = inside
    else:
        return start
    while abs(outside - inside) > 1e-13:  # noqa: PLR2004  far below what is shown
        middle = (inside + outside) / 2
        if not inside != middle != outside:
            break
        if value(middle) > 0:
            outside = middle
        else:
            inside = middle
    return outside
