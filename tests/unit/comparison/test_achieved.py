"""What a report says of each version, against pandas."""

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gnomon.comparison.achieved import Achieved, by_version, of_newest, table
from gnomon.events import Comparison, Completeness, FeatureVector, ModelPrediction, Outcome


def a_decision(
    actual_s: float,
    predictions: dict[tuple[str, str], tuple[float, float]],
    *,
    succeeded: bool = True,
) -> Comparison:
    return Comparison(
        decision_id="d",
        agent_id="a",
        task_id="t",
        task_type="k",
        started_at_ms=0,
        features=FeatureVector(),
        completeness=Completeness(),
        predictions=[
            ModelPrediction(model=m, version=v, duration_s=s, success_probability=p)
            for (m, v), (s, p) in predictions.items()
        ],
        outcome=Outcome(status="matched", at_ms=1, duration_s=actual_s, succeeded=succeeded),
    )


seconds = st.integers(1, 5_000_000).map(lambda ms: ms / 1000)
share = st.integers(0, 100).map(lambda percent: percent / 100)
rows = st.lists(st.tuples(seconds, st.booleans(), seconds, share, seconds, share), min_size=1)


@given(rows)
def test_figures_are_those_of_pandas(
    drawn: list[tuple[float, bool, float, float, float, float]],
) -> None:
    decisions = [
        a_decision(actual, {("control", "0"): (c, cp), ("m", "1"): (p, pp)}, succeeded=ok)
        for actual, ok, c, cp, p, pp in drawn
    ]

    control, model = by_version(decisions)

    frame = pd.DataFrame(drawn, columns=["y", "ok", "c", "cp", "p", "pp"])
    error, control_error = (frame.p - frame.y).abs(), (frame.c - frame.y).abs()
    assert (control.name, model.name, model.version) == ("control", "m", "1")
    assert model.n == len(frame)
    assert model.mae_s == pytest.approx(error.mean(), abs=1e-6)
    assert model.control_mae_s == pytest.approx(control_error.mean(), abs=1e-6)
    assert model.accuracy == pytest.approx(((frame.pp >= 0.5) == frame.ok).mean())
    assert model.control_accuracy == pytest.approx(((frame.cp >= 0.5) == frame.ok).mean())


def test_the_newest_version_is_the_highest_number_not_the_last_word() -> None:
    decisions = [
        a_decision(10.0, {("control", "0"): (20, 0.1), ("m", "9"): (11, 0.9)}),
        a_decision(
            10.0,
            {("control", "0"): (20, 0.1), ("m", "10"): (12, 0.9), ("m", "9"): (99, 0.0)},
        ),
        a_decision(10.0, {("control", "0"): (20, 0.1)}),
    ]

    newest = of_newest(decisions, name="shadow")

    assert (newest.name, newest.n) == ("shadow", 2)
    assert newest.mae_s == pytest.approx(1.5)
    assert newest.improvement == pytest.approx(0.85)
    assert [row.version for row in by_version(decisions)] == ["0", "9", "10"]


def test_a_figure_that_is_not_there_is_a_dash() -> None:
    row = Achieved(
        name="m",
        version="1",
        n=0,
        mae_s=None,
        control_mae_s=None,
        improvement=None,
        accuracy=None,
        control_accuracy=None,
        within_25=None,
    )

    head, line = table([row]).splitlines()

    assert line.split() == ["m", "1", "0", *["-"] * 11]
    assert head.index("version") + len("version") == line.index(" 1 ") + 2
