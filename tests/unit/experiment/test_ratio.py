"""Sample-ratio mismatch against scipy, and false alarms of one who looks after every unit."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chi2, chisquare, dirichlet_multinomial, multinomial

from gnomon.events import Exposure
from gnomon.experiment.ratio import Roster, check_ratio, chi_square_p, log_e_value

COUNTS = st.lists(st.tuples(st.integers(0, 5_000), st.integers(1, 9_999)), min_size=2, max_size=8)


@given(drawn=COUNTS)
@settings(deadline=None)
def test_chi_square_is_scipys(drawn: list[tuple[int, int]]) -> None:
    counts = {f"{n}": count for n, (count, _) in enumerate(drawn)}
    weights = {f"{n}": weight for n, (_, weight) in enumerate(drawn)}
    found = check_ratio(counts, weights)
    units, total = sum(counts.values()), sum(weights.values())
    assert found.units == units
    if not units:
        assert (found.chi_square, found.p_value) == (0.0, 1.0)
        return

    expected = chisquare(list(counts.values()), [units * w / total for w in weights.values()])
    assert found.chi_square == pytest.approx(expected.statistic, rel=1e-9, abs=1e-9)
    assert found.p_value == pytest.approx(expected.pvalue, rel=1e-7, abs=1e-300)


@pytest.mark.parametrize("degrees", range(1, 12))
@pytest.mark.parametrize("statistic", [0.0, 1e-9, 0.3, 1.0, 5.0, 40.0, 900.0])
def test_tails_of_chi_square_are_scipys(degrees: int, statistic: float) -> None:
    expected = chi2.sf(statistic, degrees)

    assert chi_square_p(statistic, degrees) == pytest.approx(expected, rel=1e-9, abs=1e-300)


@given(drawn=COUNTS, concentration=st.sampled_from([1.0, 100.0, 1_000.0]))
@settings(deadline=None)
def test_the_e_value_is_scipys_bayes_factor(
    drawn: list[tuple[int, int]], concentration: float
) -> None:
    counts = np.array([count for count, _ in drawn])
    shares = np.array([weight for _, weight in drawn], dtype=float)
    shares /= shares.sum()
    units = int(counts.sum())
    expected = dirichlet_multinomial.logpmf(counts, concentration * shares, units)
    expected -= multinomial.logpmf(counts, units, shares)

    found = log_e_value(counts.tolist(), shares.tolist(), concentration=concentration)
    assert found == pytest.approx(expected, rel=1e-6, abs=1e-5)


def alarms(truth: list[float], weights: dict[str, int], *, streams: int, units: int) -> int:
    """How many streams raise the alarm at any look; one look after every fifth unit."""
    rng = np.random.default_rng(11)
    names = list(weights)
    raised = 0
    for _ in range(streams):
        steps = rng.multinomial(5, truth, size=units // 5).cumsum(axis=0)
        raised += any(
            check_ratio(dict(zip(names, row, strict=True)), weights, alpha=0.05).is_mismatch
            for row in steps.tolist()
        )
    return raised


def test_without_a_mismatch_it_may_be_looked_at_for_ever() -> None:
    """At most 5 % of 200 streams, and three standard errors: 19."""
    weights = {"control": 9_000, "short": 1_000}

    assert alarms([0.9, 0.1], weights, streams=200, units=2_000) <= 19


def test_a_mismatch_is_found() -> None:
    assert alarms([0.55, 0.45], {"a": 1, "b": 1}, streams=40, units=5_000) >= 38


def test_a_true_mismatch_is_an_alarm_and_chance_is_not() -> None:
    weights = {"control": 5_000, "short": 5_000}

    assert not check_ratio({"control": 5_050, "short": 4_950}, weights).is_mismatch
    assert check_ratio({"control": 5_400, "short": 4_600}, weights).is_mismatch
    assert not check_ratio({}, weights).is_mismatch


@pytest.mark.parametrize(
    ("counts", "weights"),
    [({"c": 1}, {"a": 1, "b": 1}), ({}, {"a": 1}), ({}, {}), ({}, {"a": 1, "b": 0})],
)
def test_counts_without_weights_are_refused(
    counts: dict[str, int], weights: dict[str, int]
) -> None:
    with pytest.raises((ValueError, ZeroDivisionError)):
        check_ratio(counts, weights)


def exposure(unit: str, variant: str, sha256: str = "a" * 64) -> Exposure:
    return Exposure(
        experiment="e", unit=unit, variant=variant, exposed_at_ms=1, settings_sha256=sha256
    )


def test_a_roster_counts_each_unit_once_and_names_those_in_two_variants() -> None:
    roster = Roster()
    for unit, variant in [("1", "a"), ("2", "b"), ("1", "a"), ("3", "a"), ("3", "b"), ("4", "b")]:
        roster.add(exposure(unit, variant))
    roster.add(exposure("4", "b"))

    assert roster.counts() == {"a": 1, "b": 2}
    assert roster.crossed == {"3"}


def test_the_logarithm_of_the_alarm_is_of_one_over_alpha() -> None:
    counts, weights = {"a": 560, "b": 440}, {"a": 1, "b": 1}
    log_e = check_ratio(counts, weights).log_e_value

    assert check_ratio(counts, weights, alpha=math.exp(-log_e + 0.01)).is_mismatch
    assert not check_ratio(counts, weights, alpha=math.exp(-log_e - 0.01)).is_mismatch
