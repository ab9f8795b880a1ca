"""Losses, against numpy."""

import math

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from gnomon.verdict.evidence import losses

seconds = st.floats(0, 1e7)


@given(seconds, seconds)
@example(0.0, 0.0)
@example(math.inf, 3.0)
@example(9.0, 0.0)
def test_the_log_loss_is_capped_at_a_factor_of_ten(predicted: float, actual: float) -> None:
    expected = min(abs(np.log(predicted + 1) - np.log(actual + 1)), np.log(10))
    place = losses.on_log_axis(predicted), losses.on_log_axis(actual)
    assert abs(losses.distance(*place, losses.LOG_CAP) / 1e9 - expected) < 5e-9


@given(seconds, seconds, seconds)
def test_seconds_are_clipped(predicted: float, actual: float, clip: float) -> None:
    expected = min(abs(predicted - actual), clip)
    place = losses.on_seconds_axis(predicted), losses.on_seconds_axis(actual)
    assert abs(losses.distance(*place, round(clip * 1e6)) / 1e6 - expected) <= 2e-6


def test_what_is_no_number_is_as_wrong_as_can_be() -> None:
    for predicted in (math.inf, math.nan):
        on_log, on_seconds = losses.on_log_axis(predicted), losses.on_seconds_axis(predicted)
        assert losses.distance(on_log, losses.on_log_axis(1e6), losses.LOG_CAP) == losses.LOG_CAP
        assert losses.distance(on_seconds, 10**12, 5_000_000) == 5_000_000


def test_brier_and_misses() -> None:
    assert losses.brier(0.9, succeeded=True) == 10_000_000
    assert losses.brier(0.9, succeeded=False) == 810_000_000
    assert losses.miss(0.5, succeeded=True) == 0
    assert losses.miss(0.5, succeeded=False) == 10**9
    assert losses.miss(0.49, succeeded=False) == 0


@given(st.integers(0, 60), st.integers(0, 60), st.integers(0, 60), st.integers(1, 15))
def test_the_worst_and_best_end_are_found_among_all_later_ones(
    baseline: int, model: int, least: int, cap: int
) -> None:
    worst, best = losses.extremes(baseline, model, least, cap=cap, delta=0.25)
    truth = np.arange(least, least + 200)
    value = 0.75 * np.minimum(abs(baseline - truth), cap) - np.minimum(abs(model - truth), cap)
    assert 0.75 * worst.baseline - worst.model == value.min()
    assert 0.75 * best.baseline - best.model == value.max()
