"""ADWIN and Page-Hinkley detect what river's detectors detect, value by value."""

import math
from collections.abc import Sequence

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from river import drift as river

from gnomon.drift import Adwin, PageHinkley

LEVELS = st.lists(
    st.tuples(
        st.sampled_from([0.0, 0.1, 0.35, 0.8, 1.0, 40.0]),
        st.sampled_from([0.0, 0.05, 0.3, 5.0]),
        st.integers(1, 260),
    ),
    min_size=1,
    max_size=5,
)


def stream(levels: Sequence[tuple[float, float, int]], seed: int) -> list[float]:
    """Stretches of values around a mean with a spread, one after the other."""
    rng = np.random.default_rng(seed)
    return [float(x) for mean, sd, n in levels for x in rng.normal(mean, sd, n)]


@given(levels=LEVELS, seed=st.integers(0, 10_000), clock=st.sampled_from([1, 3, 32]))
@settings(max_examples=60, deadline=None)
def test_adwin_is_rivers(levels: list[tuple[float, float, int]], seed: int, clock: int) -> None:
    ours, theirs = Adwin(clock=clock), river.ADWIN(clock=clock)
    for value in stream(levels, seed):
        detected = ours.update(value)
        theirs.update(value)
        assert (detected, ours.width) == (theirs.drift_detected, theirs.width)
        assert ours.mean == theirs.estimation


@given(
    levels=LEVELS,
    seed=st.integers(0, 10_000),
    threshold=st.sampled_from([0.5, 3.0, 20.0]),
    tolerance=st.sampled_from([0.0, 0.005, 0.1]),
)
@settings(max_examples=60, deadline=None)
def test_page_hinkley_is_rivers(
    levels: list[tuple[float, float, int]], seed: int, threshold: float, tolerance: float
) -> None:
    ours = PageHinkley(threshold, tolerance=tolerance, memory=0.99, least=20)
    theirs = river.PageHinkley(20, tolerance, threshold, 0.99, "up")
    for value in stream(levels, seed):
        theirs.update(value)
        assert ours.update(value) == theirs.drift_detected


def test_adwin_knows_the_means_on_both_sides() -> None:
    detector = Adwin()
    for value in [0.2] * 640 + [0.6] * 320:
        if detector.update(value):
            break

    assert detector.mean_before == pytest.approx(0.2, abs=0.01)
    assert 0.25 < detector.mean < 0.6  # the window still holds values from before


def test_the_window_grows_by_the_logarithm_of_the_stream() -> None:
    detector = Adwin()
    for value in np.random.default_rng(1).random(20_000):
        detector.update(float(value))

    assert detector.width == 20_000
    assert len(detector.snapshot()) < 2_000


@given(levels=LEVELS, seed=st.integers(0, 10_000), cut=st.floats(0.0, 1.0))
@settings(max_examples=40, deadline=None)
def test_a_restored_detector_goes_on_as_if_never_stored(
    levels: list[tuple[float, float, int]], seed: int, cut: float
) -> None:
    values = stream(levels, seed)
    adwin, page_hinkley = Adwin(clock=2), PageHinkley(3.0)
    stored = int(cut * len(values))
    for value in values[:stored]:
        adwin.update(value)
        page_hinkley.update(value)
    second_adwin = Adwin.restore(adwin.snapshot())
    second_page_hinkley = PageHinkley.restore(page_hinkley.snapshot())

    for value in values[stored:]:
        assert adwin.update(value) == second_adwin.update(value)
        assert page_hinkley.update(value) == second_page_hinkley.update(value)
    assert adwin.snapshot() == second_adwin.snapshot()
    assert page_hinkley.snapshot() == second_page_hinkley.snapshot()


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_value_that_is_not_finite_is_refused_and_changes_nothing(value: float) -> None:
    adwin, page_hinkley = Adwin(), PageHinkley()
    before = adwin.snapshot(), page_hinkley.snapshot()

    with pytest.raises(ValueError, match="finite"):
        adwin.update(value)
    with pytest.raises(ValueError, match="finite"):
        page_hinkley.update(value)

    assert (adwin.snapshot(), page_hinkley.snapshot()) == before


@pytest.mark.parametrize("data", [b"", b"\x00", b"no snapshot", msgspec.msgpack.encode([1, 2])])
def test_bytes_that_are_no_snapshot_are_refused(data: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        Adwin.restore(data)
    with pytest.raises(msgspec.DecodeError):
        PageHinkley.restore(data)


def test_settings_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match="delta"):
        Adwin(delta=0.0)
    with pytest.raises(ValueError, match="clock"):
        Adwin(clock=0)
    with pytest.raises(ValueError, match="threshold"):
        PageHinkley(0.0)
