"""What a report says of each version, against pandas."""

from typing import Any

import msgspec
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gnomon.comparison.metrics.achieved import Achieved, by_version, of_newest, table
from gnomon.events import Comparison, Completeness, FeatureVector, ModelPrediction, Outcome


def a_decision(
    actual_s: float,
    predictions: dict[tuple[str, str], tuple[float | None, float | None]],
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


maybe_s, maybe_share = st.none() | seconds, st.none() | share
beside_rows = st.lists(
    st.tuples(
        seconds, st.booleans(),
        maybe_s, maybe_share, maybe_s, maybe_share, maybe_s, maybe_share, maybe_s, maybe_share,
    ),
    min_size=1, max_size=30,
)  # fmt: skip
NAMES = ("control", "same-type", "type")


@given(beside_rows)
def test_each_baseline_is_compared_on_the_tasks_both_predicted(
    drawn: list[tuple[Any, ...]],
) -> None:
    who = [("control", "0"), ("same-type", "0"), ("type", "0"), ("m", "1")]
    decisions = [
        a_decision(y, dict(zip(who, zip(said[::2], said[1::2], strict=True), strict=True)), succeeded=ok)
        for y, ok, *said in drawn
    ]  # fmt: skip

    *_, model = by_version(decisions)

    columns = ["y", "ok", *(f"{n}{of}" for n in (*NAMES, "m") for of in ("_s", "_p"))]
    frame = pd.DataFrame(drawn, columns=columns).astype(dict.fromkeys(columns[2:], float))
    expected: dict[str, float] = {}
    for name in NAMES:
        timed = frame.dropna(subset=["m_s", f"{name}_s"])
        rated = frame.dropna(subset=["m_p", f"{name}_p"])
        if not len(timed) and not len(rated):
            assert name not in model.against
            continue
        found = model.against[name]
        assert (found.n, found.n_success) == (len(timed), len(rated))
        if len(timed):
            mae_s = (timed.m_s - timed.y).abs().mean()
            its_s = (timed[f"{name}_s"] - timed.y).abs().mean()
            assert found.mae_s == pytest.approx(mae_s)
            assert found.baseline_mae_s == pytest.approx(its_s)
            if its_s:
                assert found.improvement == pytest.approx(1 - mae_s / its_s)
        if len(rated):
            brier = ((rated.m_p - rated.ok) ** 2).mean()
            assert found.brier == pytest.approx(brier)
            assert found.baseline_accuracy == pytest.approx(
                ((rated[f"{name}_p"] >= 0.5) == rated.ok).mean()
            )
        if len(timed) >= 0.5 * frame.m_s.notna().sum() > 0:
            expected[name] = 0.0
    common = frame.dropna(subset=["m_s", *(f"{name}_s" for name in expected)])
    if not expected or not len(common):
        assert model.strongest is None
        return
    totals = {name: (common[f"{name}_s"] - common.y).abs().sum() for name in expected}
    assert model.strongest is not None
    assert totals[model.strongest] == pytest.approx(min(totals.values()))
    assert model.headline == model.against[model.strongest]


def test_the_strongest_baseline_is_named_in_the_table() -> None:
    said = {("control", "0"): (30, 0.1), ("same-type", "0"): (14, 0.5), ("m", "1"): (12, 0.9)}
    decisions = [a_decision(10.0, said)] * 3  # type: ignore[arg-type]

    *_, line = table(by_version(decisions)).splitlines()

    assert line.split() == [
        *("m", "1", "3", "0", "2", "20", "90.0", "%", "100.0", "%", "0.0", "%", "100.0", "%", "-"),
        *("same-type", "4", "50.0", "%", "96.0", "%"),
    ]


def test_tasks_without_a_known_end_are_shown_beside_the_figures() -> None:
    said: dict[tuple[str, str], tuple[float | None, float | None]] = {("m", "1"): (12, 0.9)}
    lost = msgspec.structs.replace(
        a_decision(10.0, said), outcome=Outcome(status="expired", at_ms=9)
    )

    (row,) = by_version([a_decision(10.0, said), lost, lost])

    assert (row.n, row.expired, row.mae_s) == (1, 2, 2.0)
    head, line = (each.split() for each in table([row]).splitlines())
    assert line[head.index("expired")] == "2"


def test_baselines_are_no_versions_of_the_shadow() -> None:
    said = {("control", "0"): (30, 0.1), ("same-type", "0"): (14, 0.5), ("type", "0"): (None, None)}
    decisions = [a_decision(10.0, said)]  # type: ignore[arg-type]

    assert of_newest(decisions, name="shadow").n == 0
    assert [row.name for row in by_version(decisions)] == ["control", "same-type", "type"]


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

    assert line.split() == ["m", "1", "0", "0", *["-"] * 11]
    assert head.index("version") + len("version") == line.index(" 1 ") + 2
