"""Losses between 0 and 1, and what a watch makes of them."""

import math

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnomon.drift import Adwin, LossChange, LossWatch, scaled_loss

DURATIONS = st.floats(0.0, 1e9)
HOUR_MS = 3_600_000


@given(predicted=DURATIONS, actual=DURATIONS)
@settings(deadline=None)
def test_a_loss_is_between_0_and_1_and_the_same_both_ways(predicted: float, actual: float) -> None:
    loss = scaled_loss(predicted, actual)

    assert 0.0 <= loss <= 1.0
    assert loss == pytest.approx(scaled_loss(actual, predicted))
    assert (loss == 0.0) or predicted != actual


@pytest.mark.parametrize(
    ("predicted_s", "actual_s", "loss"),
    [
        (99.0, 99.0, 0.0),
        (99.0, 9.0, 1.0),
        (9.0, 99.0, 1.0),
        (9.0, math.sqrt(1_000.0) - 1.0, 0.5),
        (0.0, 1e9, 1.0),
        (math.inf, 5.0, 1.0),
        (math.inf, math.inf, 0.0),
    ],
)
def test_a_factor_of_ten_is_the_worst(predicted_s: float, actual_s: float, loss: float) -> None:
    assert scaled_loss(predicted_s, actual_s) == pytest.approx(loss, abs=1e-12)


@pytest.mark.parametrize("bad", [-1.0, math.nan, -math.inf])
def test_what_is_no_duration_is_refused(bad: float) -> None:
    with pytest.raises(ValueError, match="at least 0"):
        scaled_loss(bad, 1.0)
    with pytest.raises(ValueError, match="at least 0"):
        scaled_loss(1.0, bad)


def test_adwin_gives_false_alarms_on_raw_seconds_and_none_on_scaled_losses() -> None:
    """Fifty streams in which nothing changes: log-normal durations, predicted by their median."""
    raw = scaled = 0
    for seed in range(50):
        durations_s = np.random.default_rng(seed).lognormal(4.0, 1.5, 4_000)
        losses = [scaled_loss(math.exp(4.0), seconds) for seconds in durations_s.tolist()]
        on_seconds, on_losses = Adwin(), Adwin()
        raw += any(on_seconds.update(seconds) for seconds in durations_s.tolist())
        scaled += any(on_losses.update(loss) for loss in losses)

    assert raw > 30
    assert scaled == 0


def changes(watch: LossWatch, losses: list[float]) -> list[LossChange]:
    found = [watch.update(loss, index * HOUR_MS) for index, loss in enumerate(losses)]
    return [change for change in found if change is not None]


def noise(mean: float, count: int, seed: int) -> list[float]:
    values: list[float] = np.random.default_rng(seed).beta(8 * mean, 8 * (1 - mean), count).tolist()
    return values


def test_steady_losses_are_no_change() -> None:
    for seed in range(10):
        assert changes(LossWatch(), noise(0.3, 5_000, seed)) == []


def test_a_large_rise_is_found_by_both_detectors_the_quick_one_first() -> None:
    found = changes(LossWatch(), noise(0.2, 2_000, 1) + noise(0.6, 1_000, 2))

    assert {change.detector for change in found} == {"adwin", "page-hinkley"}
    assert all(change.worsened and change.after > change.before for change in found)
    assert found[0].at_ms >= 2_000 * HOUR_MS
    assert found[0].at_ms < 2_100 * HOUR_MS


def test_an_improvement_is_a_change_that_did_not_worsen() -> None:
    found = changes(LossWatch(), noise(0.6, 2_000, 3) + noise(0.2, 1_000, 4))

    assert [change.detector for change in found] == ["adwin"]
    assert not found[0].worsened
    assert found[0].before == pytest.approx(0.6, abs=0.05)
    assert found[0].after < 0.5


@pytest.mark.parametrize("stored_at", [0, 1, 29, 30, 31, 2_030, 2_500])
def test_a_restored_watch_finds_the_same(stored_at: int) -> None:
    losses = noise(0.2, 2_000, 5) + noise(0.6, 600, 6)
    whole = changes(LossWatch(), losses)
    watch = LossWatch()
    before = [watch.update(loss, index * HOUR_MS) for index, loss in enumerate(losses[:stored_at])]
    watch = LossWatch.restore(watch.snapshot())
    after = [
        watch.update(loss, (stored_at + index) * HOUR_MS)
        for index, loss in enumerate(losses[stored_at:])
    ]

    assert [change for change in [*before, *after] if change is not None] == whole


@pytest.mark.parametrize("loss", [-0.001, 1.001, math.nan, math.inf])
def test_a_loss_that_is_not_scaled_is_refused(loss: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        LossWatch().update(loss, 0)


def test_a_snapshot_of_another_version_is_refused() -> None:
    fields = msgspec.msgpack.decode(LossWatch().snapshot())
    with pytest.raises(msgspec.DecodeError, match="version 2"):
        LossWatch.restore(msgspec.msgpack.encode([2, *fields[1:]]))
