"""The difference of two variants against numpy, ville and simulation."""

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from ville import AsymptoticCS

from gnomon.experiment.analysis import UnitSums, difference, half_width

Pairs = list[tuple[int, float]]
PAIRS = st.lists(st.tuples(st.integers(1, 50), st.floats(-1e4, 1e4)), min_size=2, max_size=60)


@given(pairs=PAIRS)
@settings(deadline=None)
def test_mean_and_variance_are_numpys(pairs: Pairs) -> None:
    tasks, totals = (np.array(column, dtype=float) for column in zip(*pairs, strict=True))
    mean = totals.sum() / tasks.sum()
    residuals = totals - mean * tasks
    variance = len(pairs) * residuals.var(ddof=1) / tasks.sum() ** 2

    sums = UnitSums.of(pairs)
    assert sums.mean == pytest.approx(mean, rel=1e-9, abs=1e-9)
    scale = float((totals**2).sum() / tasks.sum() ** 2)
    # The residuals sum to zero, so their variance is their mean square.
    assert sums.variance_of_mean == pytest.approx(variance, rel=1e-6, abs=1e-9 * scale + 1e-12)


def test_with_one_task_each_it_is_the_usual_variance_of_a_mean() -> None:
    values = np.random.default_rng(1).normal(3.0, 2.0, 500)
    sums = UnitSums.of([(1, float(value)) for value in values])

    assert sums.mean == pytest.approx(values.mean())
    assert sums.variance_of_mean == pytest.approx(values.var(ddof=1) / 500)


@given(pairs=PAIRS, cut=st.integers(0, 60))
@settings(deadline=None)
def test_sums_add_up_over_partitions(pairs: Pairs, cut: int) -> None:
    whole = UnitSums.of(pairs)
    parts = UnitSums.of(pairs[:cut]) + UnitSums.of(pairs[cut:])

    for name in UnitSums.__struct_fields__:
        expected = getattr(whole, name)
        assert getattr(parts, name) == pytest.approx(expected, rel=1e-9, abs=1e-3)


@given(pairs=PAIRS, more=st.tuples(st.integers(1, 9), st.floats(-1e4, 1e4)))
@settings(deadline=None)
def test_a_unit_that_had_more_tasks_takes_the_place_of_itself(
    pairs: Pairs, more: tuple[int, float]
) -> None:
    tasks, total = pairs[0]
    now = (tasks + more[0], total + more[1])
    updated = UnitSums.of(pairs) - UnitSums.one(tasks, total) + UnitSums.one(*now)

    expected = UnitSums.of([now, *pairs[1:]])
    for name in UnitSums.__struct_fields__:
        assert getattr(updated, name) == pytest.approx(getattr(expected, name), rel=1e-9, abs=1e-3)


@pytest.mark.parametrize("alpha", [0.05, 0.01])
@pytest.mark.parametrize("expected_units", [300, 2_000])
def test_the_interval_is_villes(alpha: float, expected_units: int) -> None:
    """For one sample, where both apply: the boundary is the same, its tuning within a thousandth."""
    values = np.random.default_rng(2).gamma(2.0, 1.0, 3_000)
    sequence = AsymptoticCS(alpha=alpha, t_opt=expected_units)
    sequence.update(values)
    low, high = sequence.interval()
    ours = half_width(
        float(values.var(ddof=1)) / 3_000, 3_000, alpha=alpha, expected_units=expected_units
    )

    assert ours == pytest.approx((high - low) / 2, rel=2e-3)


def test_the_interval_of_a_difference_is_numpys() -> None:
    rng = np.random.default_rng(3)
    one, other = rng.exponential(1.0, 400), rng.exponential(1.3, 300)
    found = difference(
        UnitSums.of([(1, float(x)) for x in one]), UnitSums.of([(1, float(x)) for x in other])
    )
    assert found is not None
    variance = one.var(ddof=1) / 400 + other.var(ddof=1) / 300
    t, alpha = 700, 0.05
    rho2 = (-2 * np.log(alpha) + np.log(-2 * np.log(alpha) + 1)) / 1_000
    spread = np.sqrt(
        t * variance * 2 * (t * rho2 + 1) / (t**2 * rho2) * np.log(np.sqrt(t * rho2 + 1) / alpha)
    )

    assert found.estimate == pytest.approx(other.mean() - one.mean())
    assert found.high - found.estimate == pytest.approx(spread)
    assert found.estimate - found.low == pytest.approx(spread)
    assert found.units == 700


def test_few_units_say_nothing() -> None:
    many, few = UnitSums.of([(1, 1.0)] * 500), UnitSums.of([(1, 2.0)] * 49)

    assert difference(many, few) is None
    assert difference(few, many) is None
    assert difference(many, UnitSums.of([(1, 2.0)] * 50)) is not None


def test_a_unit_without_tasks_counts_for_nothing() -> None:
    assert UnitSums.of([(0, 0.0), (2, 3.0)]) == UnitSums.of([(2, 3.0)])


def test_sums_go_through_json() -> None:
    sums = UnitSums.of([(2, 3.5), (1, -1.25)])

    assert msgspec.json.decode(msgspec.json.encode(sums), type=UnitSums) == sums


def arm(rng: np.random.Generator, units: int, effect: float) -> list[NDArray[np.float64]]:
    """Figures of each unit's tasks: a unit's own level, and some noise."""
    levels = rng.normal(effect, 1.0, units)
    counts = rng.geometric(0.1, units)
    return [rng.normal(level, 0.5, count) for level, count in zip(levels, counts, strict=True)]


def of_tasks(figures: NDArray[np.float64]) -> UnitSums:
    """The sums that take each task for a unit."""
    total, count = float(figures.sum()), figures.size
    return UnitSums(
        units=count,
        tasks=count,
        tasks_squared=count,
        total=total,
        cross=total,
        total_squared=float((figures**2).sum()),
    )


def wrong_and_decided(effect: float, *, by_task: bool, streams: int) -> tuple[int, int]:
    """How often an interval was ever wrong, and how often it excluded zero at last.

    Looked at after every 20 units of each variant, 600 in all. ``by_task`` takes each task for a
    unit, as one does who forgets that a unit's tasks are alike.
    """
    rng = np.random.default_rng(5)
    wrong = decided = 0
    for _ in range(streams):
        arms = arm(rng, 600, 0.0), arm(rng, 600, effect)
        sums = [UnitSums(), UnitSums()]
        was_wrong = False
        found = None
        for begin in range(0, 600, 20):
            for side, units in enumerate(arms):
                chunk = units[begin : begin + 20]
                sums[side] += (
                    of_tasks(np.concatenate(chunk))
                    if by_task
                    else UnitSums.of((figures.size, float(figures.sum())) for figures in chunk)
                )
            found = difference(*sums)
            if found is not None:
                was_wrong |= not found.low <= effect <= found.high
        wrong += was_wrong
        decided += found is not None and found.low > 0.0
    return wrong, decided


def test_looking_at_every_step_is_seldom_wrong_by_units_and_often_by_tasks() -> None:
    """5 % of 60 streams and three standard errors: 8."""
    by_units, _ = wrong_and_decided(0.0, by_task=False, streams=60)
    by_tasks, _ = wrong_and_decided(0.0, by_task=True, streams=20)

    assert by_units <= 8
    assert by_tasks >= 15


def test_a_true_difference_is_found() -> None:
    wrong, decided = wrong_and_decided(0.4, by_task=False, streams=20)

    assert decided >= 18
    assert wrong <= 4
