"""Weighted quantiles, against numpy on values that are written out as often as they weigh."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gnomon.models.learners.weighted import weighted_quantiles

samples = st.lists(
    st.tuples(st.floats(-1e6, 1e6), st.integers(0, 5)), min_size=1, max_size=30
).filter(lambda sample: sum(weight for _, weight in sample) > 0)
levels = st.lists(st.integers(1, 99).map(lambda percent: percent / 100), min_size=1, max_size=4)


@given(samples, levels)
def test_a_weight_is_as_many_values(
    sample: list[tuple[float, int]], given_levels: list[float]
) -> None:
    values, weights = np.array(sample, np.float64).T

    (found,) = weighted_quantiles(values[None], 0.04 * weights[None], given_levels)

    repeated = np.repeat(values, weights.astype(int))
    expected = np.quantile(repeated, given_levels, method="inverted_cdf")
    assert found.tolist() == pytest.approx(expected.tolist())


def test_what_weighs_nothing_may_be_no_number() -> None:
    values = np.array([[np.nan, np.inf, 3.0], [np.inf, 1.0, np.nan]])
    weights = np.array([[0.0, 0.0, 1e-6], [0.0, 2.0, 0.0]])

    assert weighted_quantiles(values, weights, (0.5, 0.9)).tolist() == [[3.0, 3.0], [1.0, 1.0]]
