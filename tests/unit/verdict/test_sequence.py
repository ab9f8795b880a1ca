"""Bounds, against ville, numpy and scipy."""

import dataclasses
import math

import numpy as np
import pytest
import scipy.optimize
import scipy.stats
import ville
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from gnomon.verdict import VerdictSettings
from gnomon.verdict.evidence.series import Form, Series, few
from gnomon.verdict.evidence.sums import Sums
from gnomon.verdict.sequence import Plan, blocks_needed, bounds, improvement

Array = NDArray[np.float64]
Places = NDArray[np.int64]
PLAN = Plan.of(VerdictSettings(t_star=300))


def series_of(losses: Array, hours: Places | None = None, agents: Places | None = None) -> Series:
    """Of blocks (n, 2); by default each is an hour of its own, and of one of three agents."""
    n = len(losses)
    hours = np.arange(n) if hours is None else hours
    agents = np.arange(n) % 3 if agents is None else agents
    sums = Sums()
    for (b, c), hour, agent in zip(losses, hours, agents, strict=True):
        sums.add(f"agent-{agent}", int(hour), round(b * 1e9), round(c * 1e9))
    sums.close_hours()
    return Series.of(sums, alpha=0.05)


def unclustered(series: Series) -> Series:
    return dataclasses.replace(series, hour=Form(0.0, 0.0, 0.0))


def some(n: int, *, ratio: float = 0.7, seed: int = 1) -> Array:
    rng = np.random.default_rng(seed)
    b = np.abs(rng.normal(size=n)) + 0.1
    return np.column_stack([b, ratio * (0.5 * b + 0.5 * np.abs(rng.normal(size=n)))])


@pytest.mark.parametrize(("n", "seed"), [(200, 1), (500, 2), (2000, 3), (5000, 4)])
def test_bounds_agree_with_ville(n: int, seed: int) -> None:
    losses = some(n, seed=seed)
    z = 0.8 * losses[:, 0] - losses[:, 1]
    found = bounds(unclustered(series_of(losses)), PLAN, 0.2)
    theirs = ville.AsymptoticCS(alpha=0.1, t_opt=300, min_samples=30)
    theirs.update(z)
    low, high = theirs.interval()
    assert found.estimate / 1e9 == pytest.approx(z.mean(), abs=1e-9)
    assert found.low / 1e9 == pytest.approx(low, abs=1e-3)
    assert found.high / 1e9 == pytest.approx(high, abs=1e-3)


@pytest.mark.parametrize("n", [500, 2000])
def test_the_improvement_is_where_villes_interval_begins_to_exclude_it(n: int) -> None:
    losses = some(n)

    def end(delta: float, side: int) -> float:
        theirs = ville.AsymptoticCS(alpha=0.1, t_opt=300, min_samples=30)
        theirs.update((1 - delta) * losses[:, 0] - losses[:, 1])
        return float(theirs.interval()[side])

    found = improvement(unclustered(series_of(losses)), PLAN)
    estimate = 1 - losses[:, 1].sum() / losses[:, 0].sum()
    assert found.estimate == pytest.approx(estimate, abs=1e-8)
    low = scipy.optimize.brentq(lambda d: end(d, 0), -5, estimate)
    high = scipy.optimize.brentq(lambda d: end(d, 1), estimate, 1)
    assert found.low == pytest.approx(low, abs=1e-3)
    assert found.high == pytest.approx(high, abs=1e-3)


def test_the_bound_is_at_least_that_of_the_exact_half_normal_mixture() -> None:
    for t in (30, 300, 3000):
        exact = ville.normal_mixture(t, 0.05, PLAN.rho**-2, one_sided=True) / t
        assert 1 <= PLAN.half_width(t) / exact < 1.06


def test_the_bound_is_tightest_near_t_star_among_tunings() -> None:
    widths = {t: Plan.of(VerdictSettings(t_star=t)).half_width(300) for t in range(50, 2000, 10)}
    assert abs(min(widths, key=lambda t: widths[t]) - 300) <= 60
    assert widths[300] < 1.0005 * min(widths.values())


def hourly(losses: Array, hours: Places, delta: float) -> tuple[float, float]:
    """Variance by hours' totals and its lag-1 correlation, by numpy and scipy."""
    z = (1 - delta) * losses[:, 0] - losses[:, 1]
    totals = np.array([z[hours == hour].sum() for hour in np.unique(hours)])
    h, mean = len(totals), totals.mean()
    r = ((totals[:-1] - mean) * (totals[1:] - mean)).sum() / ((totals - mean) ** 2).sum()
    r = np.clip(r + (1 + 3 * abs(r)) / h, 0, 0.9)
    return totals.var(ddof=1) * h / len(z), r


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 10_000), st.integers(3, 40), st.floats(0, 3), st.floats(-0.5, 0.9))
def test_the_variance_of_a_block_is_the_greatest_of_three(
    seed: int, h: int, shock: float, delta: float
) -> None:
    rng = np.random.default_rng(seed)
    shocks = np.repeat(np.cumsum(rng.normal(size=h)) * shock, 4)
    losses = np.abs(rng.normal(size=(4 * h, 2))) + np.column_stack([shocks, 0 * shocks]) ** 2
    hours = np.repeat(np.cumsum(rng.integers(1, 4, h)), 4)  # with pauses
    series = series_of(losses, hours, np.arange(4 * h) % 4)

    v = ((1 - delta) * losses[:, 0] - losses[:, 1]).var(ddof=1)
    hour, r = hourly(losses, hours, delta)
    expected = max(v, hour, hour * (1 + r) / (1 - r))
    assert series.correlation(1 - delta) == pytest.approx(r, abs=1e-6)
    assert series.variance(1 - delta) / 1e18 == pytest.approx(expected, rel=1e-5)


def test_agents_like_these_are_clusters_that_cross_the_hours() -> None:
    losses, agents = some(400), np.arange(400) % 8
    losses[:, 1] *= 1 + 0.3 * (agents - 3.5) / 3.5
    hours = np.arange(400) // 8
    series = series_of(losses, hours, agents)
    z = 0.8 * losses[:, 0] - losses[:, 1]
    totals = np.array([z[agents == agent].sum() for agent in range(8)])
    by_agent = totals.var(ddof=1) * 8 / 400
    by_agent *= (scipy.stats.t.ppf(0.95, 7) / scipy.stats.norm.ppf(0.95)) ** 2
    hour, r = hourly(losses, hours, 0.2)
    within = max(z.var(ddof=1), hour * (1 + r) / (1 - r))
    expected = within + max(0, by_agent - z.var(ddof=1))
    assert series.variance(0.8, future=True) / 1e18 == pytest.approx(expected, rel=1e-6)
    low, wide = improvement(series, PLAN).low, improvement(series, PLAN, future=True).low
    assert wide < low


def test_one_agent_says_nothing_of_others() -> None:
    series = series_of(some(100), agents=np.zeros(100, int))
    assert improvement(series, PLAN, future=True)[1:] == (-math.inf, 1.0)
    assert math.isfinite(improvement(series, PLAN).low)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 10_000), st.integers(30, 200), st.floats(0.1, 1.5), st.floats(-0.5, 0.95))
def test_interval_and_bounds_tell_the_same(seed: int, n: int, ratio: float, delta: float) -> None:
    series = series_of(some(n, ratio=ratio, seed=seed), np.arange(n) // 4)
    found, at_delta = improvement(series, PLAN), bounds(series, PLAN, delta)
    assert found.low <= found.estimate <= found.high
    if found.low > delta + 1e-6:
        assert at_delta.low > 0
    if found.high < delta - 1e-6:
        assert at_delta.high < 0
    if series.correlation(1.0) < 0.3 and n >= 100:
        assert found.low > delta - 1e-6 or at_delta.low <= 0
        assert found.high < delta + 1e-6 or at_delta.high >= 0


def test_a_baseline_without_error_has_no_improvement() -> None:
    found = improvement(series_of(np.column_stack([np.zeros(50), np.ones(50)])), PLAN)
    assert math.isnan(found.estimate)
    assert found[1:] == (-math.inf, 1.0)


def test_a_model_equal_to_the_baseline_is_exactly_no_better() -> None:
    losses = some(100)
    losses[:, 1] = losses[:, 0]
    series = series_of(losses)
    found = improvement(series, PLAN)
    assert found.estimate == 0
    assert found.low == pytest.approx(0, abs=1e-9)
    assert tuple(bounds(series, PLAN, 0.0)) == (0, 0, 0)


def test_a_few_blocks_say_nothing() -> None:
    series = series_of(some(3, ratio=0.1))
    assert improvement(series, PLAN).low == -math.inf


@given(st.integers(30, 300), st.floats(0.3, 1.2))
@settings(max_examples=30, deadline=None)
def test_so_many_blocks_are_needed(n: int, ratio: float) -> None:
    series = series_of(some(n, ratio=ratio, seed=n))
    needed = blocks_needed(series, PLAN, 0.2)
    mean, sd = abs(series.mean(0.8)), math.sqrt(series.variance(0.8))
    if math.isfinite(needed):
        assert PLAN.half_width(needed + 1) * sd < mean
        assert PLAN.half_width(max(1e-9, needed - 1 - needed * 1e-5)) * sd >= mean * 0.999
    else:
        assert mean < PLAN.half_width(1e8) * sd


@pytest.mark.parametrize("clusters", [2, 3, 10, 20, 200])
def test_few_clusters_by_scipy(clusters: int) -> None:
    expected = (scipy.stats.t.ppf(0.95, clusters - 1) / scipy.stats.norm.ppf(0.95)) ** 2
    assert few(clusters, 0.05) == pytest.approx(expected)


def test_open_blocks_are_not_judged() -> None:
    sums = Sums()
    sums.add("a", 1, 1, 1)
    with pytest.raises(ValueError, match="closed"):
        Series.of(sums)
