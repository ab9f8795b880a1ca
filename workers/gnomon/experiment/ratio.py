"""Checks whether units were exposed in the proportions of the weights (sample-ratio mismatch).

A mismatch means that something other than the hash determines which units are exposed: lost exposures,
a variant whose agents crash, a filter behind the router. The variants are then no longer comparable.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from gnomon.events import Exposure

ALPHA: Final = 0.001
"""Probability of a false alarm over all looks together."""
CONCENTRATION: Final = 1_000.0
"""Weight of the prior around the intended proportions, in units: the e-value is most sensitive to
deviations of about 3 percentage points, and grows for every other too."""


class RatioCheck(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The result of a check.

    Attributes:
        units: Number of counted units.
        chi_square: Pearson's statistic.
        p_value: Its p-value, valid for one look at a number of units fixed beforehand.
        log_e_value: Natural logarithm of the e-value, valid for any number of looks.
        is_mismatch: Whether the e-value is at least ``1 / alpha``.
    """

    units: int
    chi_square: float
    p_value: float
    log_e_value: float
    is_mismatch: bool


def check_ratio(
    counts: Mapping[str, int],
    weights: Mapping[str, int],
    *,
    alpha: float = ALPHA,
    concentration: float = CONCENTRATION,
) -> RatioCheck:
    """Compare the number of units exposed to each variant with the variants' weights.

    The alarm is anytime-valid: if it is checked after every unit, the probability of a false alarm is
    still at most ``alpha``.

    Args:
        counts: Units by variant, each unit once. A variant without units may be missing.
        weights: Positive weights by variant, on any scale; at least two.
        alpha: Probability of a false alarm.
        concentration: As in ``log_e_value``.

    Raises:
        ValueError: A counted variant has no weight, or there are fewer than two weights.
    """
    if unknown := counts.keys() - weights.keys():
        raise ValueError(f"variants without a weight: {sorted(unknown)}")
    total = sum(weights.values())
    shares = [weight / total for weight in weights.values()]
    if len(shares) < 2 or min(shares) <= 0.0:  # noqa: PLR2004  a ratio is of two
        raise ValueError("at least two variants need a positive weight")
    observed = [counts.get(name, 0) for name in weights]
    statistic = chi_square(observed, shares)
    log_e = log_e_value(observed, shares, concentration=concentration)
    return RatioCheck(
        units=sum(observed),
        chi_square=statistic,
        p_value=chi_square_p(statistic, len(shares) - 1),
        log_e_value=log_e,
        is_mismatch=log_e >= -math.log(alpha),
    )


def chi_square(observed: Sequence[int], shares: Sequence[float]) -> float:
    """Return Pearson's ``Σ (observed - expected)² / expected``; 0 without any units."""
    units = sum(observed)
    if not units:
        return 0.0
    return sum(
        (count - units * share) ** 2 / (units * share)
        for count, share in zip(observed, shares, strict=True)
    )


def chi_square_p(statistic: float, degrees: int) -> float:
    """Return the probability that a chi-square variable of ``degrees`` exceeds ``statistic``.

    It uses the finite sums for whole degrees (Abramowitz and Stegun, 26.4.4 and 26.4.5).
    """
    half = statistic / 2.0
    if half <= 0.0:
        return 1.0
    is_odd = degrees % 2 == 1
    tail = math.erfc(math.sqrt(half)) if is_odd else 0.0
    for step in range(degrees // 2):
        power = step + (0.5 if is_odd else 0.0)
        tail += math.exp(power * math.log(half) - half - math.lgamma(power + 1.0))
    return min(tail, 1.0)


def log_e_value(
    observed: Sequence[int], shares: Sequence[float], *, concentration: float = CONCENTRATION
) -> float:
    """Return ``ln [ B(kp + S) / B(kp) / Π p_i^S_i ]``, with the multivariate beta function B.

    The Bayes factor of Dirichlet-distributed proportions (parameters ``k p``) against the intended
    proportions ``p``, after the counts ``S``: a martingale under ``p``, so it ever reaches
    ``1 / alpha`` with probability ``alpha`` at most. M. Lindon and A. Malek, "Anytime-Valid Inference For Multinomial
    Count Data", NeurIPS 2022.

    Args:
        observed: Counts ``S``.
        shares: Intended proportions ``p``, positive, summing to 1.
        concentration: ``k``.
    """
    units = sum(observed)
    log_e = math.lgamma(concentration) - math.lgamma(concentration + units)
    for count, share in zip(observed, shares, strict=True):
        prior = concentration * share
        log_e += math.lgamma(prior + count) - math.lgamma(prior) - count * math.log(share)
    return log_e


class Roster:
    """Collects the variant of each unit from the exposures of one experiment, in any order.

    Attributes:
        crossed: Units that were exposed to more than one variant under one hash of the settings.
            There should be none; they are not counted.
    """

    def __init__(self) -> None:
        self.crossed: set[str] = set()
        self._variant_of: dict[tuple[str | None, str], str] = {}

    def add(self, exposure: Exposure) -> None:
        """Add one exposure; a repeat changes nothing."""
        key = exposure.settings_sha256, exposure.unit
        if self._variant_of.setdefault(key, exposure.variant) != exposure.variant:
            self.crossed.add(exposure.unit)

    def counts(self) -> dict[str, int]:
        """Return the number of units exposed to each variant."""
        counts: dict[str, int] = {}
        for (_, unit), variant in self._variant_of.items():
            if unit not in self.crossed:
                counts[variant] = counts.get(variant, 0) + 1
        return counts
