"""Computes the variance of a block of paired losses, with correlated agents and hours.

Blocks of one hour share events that affect all agents, and consecutive hours are correlated. So the
variance of a block is the greatest of v, V h / t, and V h / t (1 + r) / (1 - r): v is the variance of the t
blocks, V that of the h hours' totals, r the correlation of consecutive hours' totals, with its bias
put back, r + (1 + 3 |r|) / h (Kendall 1954, Marriott and Pope 1954), held to [0, 0.9].
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist
from typing import Final, NamedTuple, Self

from gnomon.verdict.evidence.sums import BB, BC, CC, B, C, Hours, Sums, T

MOST_CORRELATION: Final = 0.9


class Form(NamedTuple):
    """A quadratic form: the variance of ``p * baseline - q * model`` as a function of p and q."""

    bb: float
    bc: float
    cc: float

    def at(self, p: float, q: float) -> float:
        """Return the value of the form, at least 0."""
        return max(0.0, p * p * self.bb - 2 * p * q * self.bc + q * q * self.cc)

    def times(self, factor: float) -> "Form":
        """Return the form with each coefficient multiplied by a factor."""
        return Form(self.bb * factor, self.bc * factor, self.cc * factor)


@dataclass(frozen=True, slots=True)
class Series:
    """The moments of paired losses, as floats, from ``Sums`` whose hours are closed.

    Attributes:
        t: Number of blocks; ``h`` of active hours; ``a`` of agents.
        b: Mean loss of the baseline in a block; ``c`` that of the model.
        block: Variance of a block.
        hour: Variance of a block as the hours' totals show it.
        gamma: Autocovariance of the hours' totals at lag 0 and at lag 1, up to a common factor.
        agent: Variance of a block as the agents' totals show it; ``None`` if there are fewer than two
            agents, or if it was not requested.
    """

    t: int
    h: int
    a: int
    b: float
    c: float
    block: Form
    hour: Form
    gamma: tuple[Form, Form]
    agent: Form | None

    @classmethod
    def of(cls, sums: Sums, *, alpha: float | None = None) -> Self:
        """Compute the moments of ``sums``.

        Args:
            sums: Sums whose blocks and hours are closed.
            alpha: The level of the bounds for agents like these, used to correct for few agents.
                ``None``: the variance of the agents' totals is not computed.

        Raises:
            ValueError: There is no closed block, or there are open ones.
        """
        t, h, a = sums.blocks[T], sums.hours.row[T], sums.totals[T]
        if not t or sums.open or sums.waiting:
            raise ValueError("expected closed blocks and hours, and nothing open")
        agent = None
        if alpha is not None and a > 1:
            agent = _variance(sums.totals).times(a / t * few(a, alpha))
        return cls(
            t,
            h,
            a,
            sums.blocks[B] / t,
            sums.blocks[C] / t,
            _variance(sums.blocks),
            _variance(sums.hours.row).times(h / t),
            _autocovariances(sums.hours),
            agent,
        )

    def mean(self, p: float, q: float = 1.0) -> float:
        """Return the mean of ``p * baseline - q * model`` over blocks."""
        return p * self.b - q * self.c

    def correlation(self, p: float, q: float = 1.0) -> float:
        """Return the bias-corrected correlation of consecutive hours' totals, in [0, ``MOST_CORRELATION``]."""
        none, one = (
            gamma.bb * p * p - 2 * p * q * gamma.bc + q * q * gamma.cc for gamma in self.gamma
        )
        r = one / none if none > 0 else 0.0
        return min(max(r + (1 + 3 * abs(r)) / self.h, 0.0), MOST_CORRELATION)

    def variance(self, p: float, q: float = 1.0, *, future: bool = False) -> float:
        """Return the variance of a block; with ``future`` that for agents like these.

        Agents and hours are then clusters that cross: Cameron, Gelbach and Miller, "Robust
        inference with multiway clustering", JBES 29 (2011), with none of the terms below 0.
        """
        v, hourly = self.block.at(p, q), self.hour.at(p, q)
        if hourly:
            r = self.correlation(p, q)
            hourly *= max(1.0, (1 + r) / (1 - r))
        within = max(v, hourly)
        if not future:
            return within
        return math.inf if self.agent is None else within + max(0.0, self.agent.at(p, q) - v)


@lru_cache
def few(clusters: int, alpha: float) -> float:
    """Return the correction of a variance from few clusters: (t quantile / normal quantile)^2.

    Both quantiles are at 1 - ``alpha``; t has ``clusters`` - 1 degrees of freedom (Cameron, Gelbach
    and Miller 2011).
    """
    from scipy.special import stdtrit  # noqa: PLC0415  half a second, needed for agents alone

    return float(stdtrit(clusters - 1, 1 - alpha) / NormalDist().inv_cdf(1 - alpha)) ** 2


def _variance(row: Sequence[int]) -> Form:
    """Return the variance with n - 1; 0 for fewer than two units. Each entry is rounded only once."""
    n = row[T]
    if n < 2:  # noqa: PLR2004  one unit does not vary
        return Form(0.0, 0.0, 0.0)
    b, c, whole = row[B], row[C], n * (n - 1)
    return Form(
        (n * row[BB] - b * b) / whole, (n * row[BC] - b * c) / whole, (n * row[CC] - c * c) / whole
    )


def _autocovariances(hours: Hours) -> tuple[Form, Form]:
    """Sum the products of deviations from the mean at lag 0 and lag 1, times the squared number of hours."""
    row, n = hours.row, hours.row[T]
    b, c = row[B], row[C]
    none = Form(
        float(n * (n * row[BB] - b * b)),
        float(n * (n * row[BC] - b * c)),
        float(n * (n * row[CC] - c * c)),
    )
    # Over consecutive pairs, sum (x - m)(y - m) = lag - m (sum x + sum y) + (n - 1) m^2.
    both_b, both_c = (
        2 * whole - first - last
        for whole, first, last in zip((b, c), hours.first, hours.last, strict=True)
    )
    one_bb = n * n * hours.lag[0] - n * b * both_b + (n - 1) * b * b
    one_cc = n * n * hours.lag[2] - n * c * both_c + (n - 1) * c * c
    cross = n * n * hours.lag[1] - n * (b * both_c + c * both_b) + 2 * (n - 1) * b * c
    return none, Form(float(one_bb), cross / 2, float(one_cc))
