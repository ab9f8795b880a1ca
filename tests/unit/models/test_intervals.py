"""Intervals around durations, written out with the math module, and kept honest as tasks finish."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from gnomon import codec
from gnomon.comparison.intervals.calibration import Calibration
from gnomon.comparison.intervals.corrections import Corrections
from gnomon.events import Intervals
from gnomon.models.intervals import intervals_of

seconds = st.floats(0, 1e9) | st.sampled_from([0.0, 1e-7, 0.03, 12345.6789])
corrections = st.floats(-5, 5)


def digits(value: float) -> float:
    return float(f"{value:.5g}")


@given(st.tuples(seconds, seconds, seconds, seconds).map(sorted), corrections, corrections)
def test_both_ends_are_moved_by_the_correction_of_bucket_and_level(
    quantiles: list[float], of_80: float, of_90: float
) -> None:
    low_90, low_80, high_80, high_90 = quantiles
    table = {(2, 80): of_80, (2, 90): of_90, (1, 80): 9.0}

    predicted_s = (low_80 + high_80) / 2
    rows = np.array([[low_80, high_80, low_90, high_90]])
    (found,) = intervals_of([predicted_s], rows, [2], table)

    assert found is not None
    assert found.bucket == 2
    inner_low = inner_high = predicted_s
    for level, low_s, high_s, correction in (
        ("80", low_80, high_80, of_80),
        ("90", low_90, high_90, of_90),
    ):
        interval = found.by_level[level]
        assert interval.own_low_s == pytest.approx(digits(low_s), rel=1e-12, abs=6e-10)
        assert interval.own_high_s == pytest.approx(digits(high_s), rel=1e-12, abs=6e-10)
        assert interval.correction == correction
        low, high = math.log1p(interval.own_low_s), math.log1p(interval.own_high_s)
        moved = max(correction, -(high - low) / 2)
        inner_low = min(inner_low, max(math.expm1(low - moved), 0))
        inner_high = max(inner_high, min(math.expm1(high + moved), 1e12))
        assert interval.low_s == pytest.approx(inner_low, rel=6e-5, abs=1e-9)
        assert interval.high_s == pytest.approx(inner_high, rel=6e-5, abs=1e-9)
        assert 0 <= interval.low_s <= predicted_s <= interval.high_s
    inner, outer = found.by_level["80"], found.by_level["90"]
    assert outer.low_s <= inner.low_s <= inner.high_s <= outer.high_s


def test_five_digits_are_written() -> None:
    rows = np.array([[1 / 3, 20000 / 3, 1e-12, 2e9 / 3]])
    (found,) = intervals_of([100.0], rows, [0], {})
    assert found is not None
    ends = [(i.own_low_s, i.own_high_s) for i in found.by_level.values()]
    assert ends == [(0.33333, 6666.7), (0.0, 666670000.0)]


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_of_a_quantile_that_is_no_number_there_is_no_interval(bad: float) -> None:
    rows = np.array([[1.0, 2.0, 0.5, 3.0], [1.0, bad, 0.5, 3.0]])
    one, other = intervals_of([1.5, 1.5], rows, [0, 0], {})
    assert one is not None
    assert other is None


@pytest.mark.parametrize("predicted_s", [None, math.nan, math.inf])
def test_around_no_prediction_there_is_no_interval(predicted_s: float | None) -> None:
    rows = np.array([[1.0, 2.0, 0.5, 3.0]])
    assert intervals_of([predicted_s], rows, [0], {}) == [None]


def test_no_tasks_no_intervals() -> None:
    assert intervals_of([], np.empty((0, 4)), [], {}) == []


class Record:
    """A record of interval-corrections."""

    topic, timestamp, headers, partition = "interval-corrections", 0, (), 0

    def __init__(self, offset: int, key: str, value: bytes | None) -> None:
        self.offset, self.key, self.value = offset, key.encode(), value


def online(durations: NDArray[np.float64], *, delay: int = 3) -> list[Intervals]:
    """Intervals of tasks one after the other, each known of ``delay`` tasks later.

    The model's own quantiles are those of a standard log-normal, whatever comes.
    """
    z80, z90 = 1.2815515655446004, 1.6448536269514722
    own = np.exp([[-z80, z80, -z90, z90]])
    calibration, corrections = Calibration(), Corrections()
    made: list[Intervals] = []
    offset = 0
    for number in range(len(durations)):
        if number >= delay:
            ended = number - delay
            calibration.add(
                "a",
                made[ended],
                agent_id="ada",
                task_id=f"t{ended}",
                duration_s=float(durations[ended]),
                at_ms=ended,
            )
            for key, record in calibration.close(0):
                value = None if record is None else codec.encode(record)
                corrections.apply(Record(offset, key, value))
                offset += 1
        (interval,) = intervals_of([1.0], own, [3], corrections.of("a", 0))
        assert interval is not None
        made.append(interval)
    return made


def covered(made: list[Intervals], durations: NDArray[np.float64], level: str) -> NDArray[Any]:
    ends = np.array([(i.by_level[level].low_s, i.by_level[level].high_s) for i in made])
    inside: NDArray[Any] = (ends[:, 0] <= durations) & (durations <= ends[:, 1])
    return inside


def test_they_stay_honest_when_the_model_is_wrong_and_the_work_changes() -> None:
    """The spread is twice the model's, then a third of it, then the work takes ten times as long."""
    rng = np.random.default_rng(11)
    durations = np.exp(
        np.concatenate(
            [rng.normal(0, 2, 700), rng.normal(0, 0.33, 700), rng.normal(math.log(10), 1, 700)]
        )
    )
    made = online(durations)
    for level, share in (("80", 0.8), ("90", 0.9)):
        inside = covered(made, durations, level)
        own = np.log(durations)
        z = 1.2815515655446004 if level == "80" else 1.6448536269514722
        of_model = np.abs(own) <= z
        for part in (slice(100, 700), slice(800, 1400), slice(1500, 2100)):
            assert abs(inside[part].mean() - share) <= 0.04
            assert abs(of_model[part].mean() - share) > 0.08


def test_late_corrections_do_not_swing() -> None:
    """Two hundred tasks start before the first correction that knows of them."""
    durations = np.exp(np.random.default_rng(3).normal(0, 2, 2400))
    inside = covered(online(durations, delay=200), durations, "80")
    blocks = inside[400:].reshape(-1, 200).mean(axis=1)
    assert 0.7 <= blocks.min() <= blocks.max() <= 0.9


def test_the_future_changes_nothing_before_it() -> None:
    rng = np.random.default_rng(7)
    durations = np.exp(rng.normal(0, 1.5, 300))
    poisoned = durations.copy()
    poisoned[200:] = rng.choice([0.0, 1e6], 100)

    before, after = online(durations), online(poisoned)

    # Task 200 ends before task 203 starts.
    assert before[:203] == after[:203]
    assert before[203:] != after[203:]
