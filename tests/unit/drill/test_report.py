"""Tests of quantiles and of the rule that decides whether a drill passes."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gnomon.drill.isolation import plan
from gnomon.drill.load import arrivals
from gnomon.drill.report import Round, compare, quantile, round_of

latencies = st.lists(st.floats(0, 1e6), min_size=1, max_size=300)


def rounds(*p99_ms: float, p50_ms: float = 1.0) -> list[Round]:
    return [
        Round(requests=9, errors=0, p50_ms=p50_ms, p99_ms=value, longest_ms=value)
        for value in p99_ms
    ]


@given(values=latencies, share=st.sampled_from([0.0, 0.5, 0.99, 1.0]))
def test_a_quantile_is_numpys(values: list[float], share: float) -> None:
    assert quantile(values, share) == np.quantile(values, share, method="inverted_cdf")


def test_there_is_no_quantile_of_nothing() -> None:
    with pytest.raises(ValueError, match="no values"):
        quantile([], 0.5)


def test_a_round_counts_and_ranks() -> None:
    found = round_of([float(n) for n in range(1, 201)], errors=3)
    assert found == Round(requests=203, errors=3, p50_ms=100.0, p99_ms=198.0, longest_ms=200.0)


def test_a_round_without_answers_is_worse_than_any() -> None:
    found = round_of([], errors=5)
    assert (found.p50_ms, found.p99_ms, found.longest_ms) == (math.inf, math.inf, math.inf)
    assert found.requests == 5


@pytest.mark.parametrize(
    ("without", "with_client", "ratio", "limit", "within"),
    [
        ((20, 20, 20), (21.9, 21.9, 21.9), 1.095, 1.1, True),  # a tenth is noise
        ((20, 20, 20), (22.1, 22.1, 22.1), 1.105, 1.1, False),
        ((10, 20, 40), (10.9, 21.8, 43.6), 1.09, 1.1, True),  # what both feel tells nothing
        ((10, 20, 40), (15, 30, 60), 1.5, 1.1, False),
        ((10, 10, 10, 10), (20, 5, 20, 5), 1.0, 1.5, True),
        ((10, 10, 10, 10), (14, 10, 14, 10), 1.1832, 1.2540, True),  # half of the rounds: chance
        ((10, 10, 10, 10), (40, 10, 40, 10), 2.0, 1.5, False),  # twice as long is never chance
        ((10, 10, 10, 10), (40, 20, 40, 20), 2.8284, 1.5, False),
        ((10, 20, 30), (math.inf, 1, 1), math.inf, 1.1, False),
    ],
)
def test_the_rule(
    without: tuple[float, ...],
    with_client: tuple[float, ...],
    ratio: float,
    limit: float,
    within: bool,  # noqa: FBT001  a column of the table
) -> None:
    """By hand, with four rounds: exp(2.33 s / 2), where s is that of 0 and ln 1.4; at most 1.5."""
    found = compare(rounds(*without), rounds(*with_client))["p99"]
    assert found.ratio == pytest.approx(ratio, rel=1e-3)
    assert found.limit == pytest.approx(limit, rel=1e-3)
    assert found.within_noise is within


def test_each_quantile_is_judged_by_itself() -> None:
    found = compare(rounds(9, 9, p50_ms=1.0), rounds(9, 9, p50_ms=2.0))
    assert (found["p50"].within_noise, found["p99"].within_noise) == (False, True)


@pytest.mark.parametrize(
    ("seconds", "count", "round_s"),
    [(4, 2, 1.0), (8, 2, 2.0), (16, 4, 2.0), (60, 15, 2.0), (120, 30, 2.0)],
)
def test_a_plan_takes_about_as_long_as_asked(seconds: float, count: int, round_s: float) -> None:
    found = plan(seconds=seconds, rate_per_s=50)
    assert (found.rounds, found.round_s) == (count, round_s)


def test_requests_come_at_random_moments_the_same_for_a_seed() -> None:
    moments = arrivals(rate_per_s=200, seconds=10, seed=1)
    assert moments == sorted(moments) == arrivals(rate_per_s=200, seconds=10, seed=1)
    assert moments != arrivals(rate_per_s=200, seconds=10, seed=2)
    assert 1800 < len(moments) < 2200
    assert 0 < moments[0] < moments[-1] < 10
    gaps = np.diff(moments)
    assert np.std(gaps) == pytest.approx(np.mean(gaps), rel=0.15)  # as of an exponential
