"""Quantiles and the rule by which a drill is judged."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gnomon.drill.figures import Round, compare, quantile, round_of
from gnomon.drill.isolation import plan
from gnomon.drill.load import arrivals

latencies = st.lists(st.floats(0, 1e6), min_size=1, max_size=300)


def rounds(*p99_ms: float, p50_ms: float = 1.0) -> list[Round]:
    return [Round(requests=9, errors=0, p50_ms=p50_ms, p99_ms=value) for value in p99_ms]


@given(values=latencies, share=st.sampled_from([0.0, 0.5, 0.99, 1.0]))
def test_a_quantile_is_numpys(values: list[float], share: float) -> None:
    assert quantile(values, share) == np.quantile(values, share, method="inverted_cdf")


def test_there_is_no_quantile_of_nothing() -> None:
    with pytest.raises(ValueError, match="no values"):
        quantile([], 0.5)


def test_a_round_counts_and_ranks() -> None:
    found = round_of([float(n) for n in range(1, 201)], errors=3)
    assert found == Round(requests=203, errors=3, p50_ms=100.0, p99_ms=198.0)


def test_a_round_without_answers_is_worse_than_any() -> None:
    found = round_of([], errors=5)
    assert (found.p50_ms, found.p99_ms, found.requests) == (math.inf, math.inf, 5)


@pytest.mark.parametrize(
    ("without", "with_client", "limit_ms", "within"),
    [
        ((10, 20, 30), (5, 30, 90), 30, True),  # the middle is no higher than the highest
        ((10, 20, 30), (5, 31, 31), 30, False),
        ((20, 20, 20), (22, 22, 22), 22, True),  # a tenth is noise
        ((20, 20, 20), (22.1, 22.1, 1), 22, False),
        ((10, 20), (20, 22), 20, False),  # of an even number: the mean of the middle two
        ((10, 30), (20, 40), 30, True),
        ((10, 20, 30), (math.inf, math.inf, 1), 30, False),
    ],
)
def test_the_rule(
    without: tuple[float, ...],
    with_client: tuple[float, ...],
    limit_ms: float,
    within: bool,  # noqa: FBT001  a column of the table
) -> None:
    found = compare(rounds(*without), rounds(*with_client))["p99"]
    assert found.limit_ms == pytest.approx(limit_ms)
    assert found.within_noise is within
    assert found.with_range_ms == (min(with_client), max(with_client))


def test_each_quantile_is_judged_by_itself() -> None:
    found = compare(rounds(9, 9, p50_ms=1.0), rounds(9, 9, p50_ms=2.0))
    assert (found["p50"].within_noise, found["p99"].within_noise) == (False, True)


@pytest.mark.parametrize(
    ("seconds", "count", "round_s"),
    [(4, 2, 0.5), (8, 2, 1.0), (16, 2, 2.0), (60, 8, 2.0), (120, 15, 2.0)],
)
def test_a_plan_takes_about_as_long_as_asked(seconds: float, count: int, round_s: float) -> None:
    found = plan(seconds=seconds, rate_per_s=50)
    assert (found.rounds, found.round_s) == (count, round_s)


def test_requests_come_at_random_moments_the_same_every_time() -> None:
    moments = arrivals(rate_per_s=200, seconds=10)
    assert moments == sorted(moments) == arrivals(rate_per_s=200, seconds=10)
    assert 1800 < len(moments) < 2200
    assert 0 < moments[0] < moments[-1] < 10
    gaps = np.diff(moments)
    assert np.std(gaps) == pytest.approx(np.mean(gaps), rel=0.15)  # as of an exponential
