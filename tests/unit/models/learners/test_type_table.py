"""What all agents' runs of a type came to, against pandas."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gnomon.models.learners.type_table import TypeTable

runs = st.lists(
    st.tuples(st.sampled_from("abc"), st.floats(0, 1e6), st.booleans()), min_size=1, max_size=300
)


@given(runs)
def test_it_is_the_median_and_the_success_rate_of_the_last_hundred_runs(
    given_runs: list[tuple[str, float, bool]],
) -> None:
    frame = pd.DataFrame(given_runs, columns=["type", "duration_s", "ok"])

    table = TypeTable().fit(
        frame["type"].tolist(), frame["duration_s"].to_numpy(), frame["ok"].to_numpy()
    )

    last = frame.groupby("type").tail(100).groupby("type")
    for name in "abc":
        (found,) = table.predict([name])
        if name in last.groups:
            of = last.get_group(name)
            expected = (of["duration_s"].median(), of["ok"].mean())
            assert found == pytest.approx(expected)
        else:
            assert found == (None, None)


def test_the_order_is_that_of_the_question() -> None:
    table = TypeTable().fit(["a", "b"], np.array([1.0, 2.0]), np.array([True, False]))

    assert table.predict(["b", "never", "a"]) == [(2.0, 0.0), (None, None), (1.0, 1.0)]
