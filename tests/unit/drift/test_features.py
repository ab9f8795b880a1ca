"""PSI and Wasserstein distance against pandas and scipy."""

import math
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import wasserstein_distance
from tests.unit.drift.oracle import psi_by_pandas

from gnomon.drift import FeatureReference, FeatureShift, references, shift

Floats = NDArray[np.float64]
VALUES = st.lists(st.floats(-1e6, 1e6) | st.sampled_from([0.0, 1.0, math.nan]), min_size=1)


def shifted(training: Floats, later: Floats) -> FeatureShift:
    found = shift(FeatureReference.of(training), later)
    assert found is not None
    return found


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_distance_is_scipys_where_the_reference_holds_every_value(data: st.DataObject) -> None:
    training = np.array(data.draw(VALUES), dtype=np.float64)
    later = np.resize(np.array(data.draw(VALUES), dtype=np.float64), 200)
    found = shifted(training, later)
    then, now = training[np.isfinite(training)], later[np.isfinite(later)]

    if not then.size or not now.size:
        assert found.distance is None
        return
    deviation = float(np.std(then))
    assume(deviation > 1e-150 or np.ptp(then) == 0.0)  # squares of smaller numbers are not exact
    expected = wasserstein_distance(then, now) / (deviation or 1.0)
    assert found.distance == pytest.approx(expected, rel=1e-6, abs=1e-9)


def test_distance_is_close_to_scipys_where_the_reference_is_cut_short() -> None:
    rng = np.random.default_rng(7)
    training, later = rng.lognormal(3, 1, 30_000), rng.lognormal(3.4, 1, 3_000)
    expected = wasserstein_distance(training, later) / training.std()

    assert shifted(training, later).distance == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize(
    ("training", "later"),
    [
        ((3.0, 1.0), (3.0, 1.0)),
        ((3.0, 1.0), (3.8, 1.0)),
        ((3.0, 1.0), (3.0, 2.0)),
    ],
)
@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_psi_is_that_of_pandas(
    training: tuple[float, float], later: tuple[float, float], missing: float
) -> None:
    rng = np.random.default_rng(3)
    then, now = rng.normal(*training, 4_000), rng.normal(*later, 900)
    now[rng.random(900) < missing] = math.nan

    assert shifted(then, now).psi == pytest.approx(psi_by_pandas(then, now), rel=1e-9)


def test_psi_of_counts_with_many_repeats_is_that_of_pandas() -> None:
    rng = np.random.default_rng(4)
    then, now = rng.poisson(1.0, 3_000).astype(float), rng.poisson(1.6, 700).astype(float)

    assert shifted(then, now).psi == pytest.approx(psi_by_pandas(then, now), rel=1e-9)


def test_nothing_has_moved_where_the_rows_are_the_same() -> None:
    values = np.random.default_rng(5).random(400)
    found = shifted(values, values)

    assert found.psi == 0.0
    assert found.distance == pytest.approx(0.0, abs=1e-12)


def test_a_constant_feature_that_goes_on_is_steady_and_one_that_moves_is_not() -> None:
    constant = np.full(300, 2.0)

    assert shifted(constant, constant) == FeatureShift(rows=300, psi=0.0, distance=0.0)
    moved = shifted(constant, np.full(300, 3.0))
    assert moved.psi > 1.0
    assert moved.distance == 1.0


def test_a_feature_that_goes_missing_shows_in_psi() -> None:
    values = np.random.default_rng(6).random(1_000)
    gone = shifted(values, np.full(500, math.nan))

    assert gone.psi > 1.0
    assert gone.distance is None


def test_a_feature_that_was_never_known_has_no_distance() -> None:
    found = shifted(np.full(500, math.nan), np.full(500, math.nan))

    assert found == FeatureShift(rows=500, psi=0.0, distance=None)


def test_few_rows_say_nothing() -> None:
    reference = FeatureReference.of(np.arange(1_000.0))

    assert shift(reference, np.full(199, 1e9)) is None
    assert shift(reference, np.full(200, 1e9)) is not None


def test_a_reference_is_bounded_and_goes_through_json() -> None:
    rng = np.random.default_rng(8)
    columns = {"a": rng.lognormal(3, 2, 50_000), "b": rng.poisson(2.0, 50_000).astype(float)}
    made = references(columns)
    stored = msgspec.json.encode(made)

    assert len(stored) < 30_000
    read = msgspec.json.decode(stored, type=dict[str, FeatureReference])
    assert read == made
    later = rng.lognormal(3.2, 2, 500)
    assert shift(read["a"], later) == shift(made["a"], later)


@pytest.mark.parametrize("values", [[], [[1.0, 2.0]]])
def test_training_values_of_another_shape_are_refused(values: list[Any]) -> None:
    with pytest.raises(ValueError, match="shape"):
        FeatureReference.of(values)
