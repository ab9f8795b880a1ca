"""Figures of a period beside pandas on the same decisions."""

import msgspec
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.decisions import a_decision

from gnomon.comparison.metrics.period import GroupFigures, figures_of_period
from gnomon.events import Comparison, Outcome

SINCE_MS, UNTIL_MS = 1_000_000, 2_000_000

outcomes = st.builds(
    Outcome,
    status=st.sampled_from(["matched", "matched", "matched", "expired", "cancelled"]),
    at_ms=st.integers(SINCE_MS - 500_000, UNTIL_MS + 500_000),
    duration_s=st.none() | st.floats(0.001, 1e6),
    succeeded=st.booleans(),
    code_review_iterations=st.none() | st.integers(0, 9),
    deployment_succeeded=st.none() | st.booleans(),
)


@st.composite
def decisions(draw: st.DrawFn) -> list[Comparison]:
    made = []
    for number, outcome in enumerate(draw(st.lists(outcomes, max_size=20))):
        made.append(
            msgspec.structs.replace(
                a_decision(number),
                agent_id=draw(st.sampled_from(["a", "b"])),
                task_type=draw(st.sampled_from(["x", "y"])),
                outcome=outcome,
            )
        )
    return made


def by_pandas(
    decisions: list[Comparison], agent: str | None, task_type: str | None
) -> pd.DataFrame:
    frame = pd.DataFrame(
        [
            {"agent": d.agent_id, "type": d.task_type, **msgspec.structs.asdict(d.outcome)}
            for d in decisions
        ],
        columns=["agent", "type", *Outcome.__struct_fields__],
    )
    frame = frame[(frame.at_ms >= SINCE_MS) & (frame.at_ms < UNTIL_MS)]
    if agent is not None:
        frame = frame[frame.agent == agent]
    if task_type is not None:
        frame = frame[frame.type == task_type]
    return frame


def mean_or_none(series: "pd.Series[float]") -> float | None:
    values = series.dropna()
    return float(values.astype(float).mean()) if len(values) else None


@settings(max_examples=30, deadline=None)  # pandas takes most of the time
@given(decisions())
def test_every_group_has_the_figures_that_pandas_finds(found: list[Comparison]) -> None:
    figures = figures_of_period(found, since_ms=SINCE_MS, until_ms=UNTIL_MS)
    for group in figures.groups:
        frame = by_pandas(found, group.agent_id, group.task_type)
        matched = frame[frame.status == "matched"]
        assert group.ended == len(matched)
        assert group.expired == (frame.status == "expired").sum()
        assert group.cancelled == (frame.status == "cancelled").sum()
        assert group.mean_s == pytest.approx(mean_or_none(matched.duration_s), abs=1e-6)
        assert group.error_rate == pytest.approx(
            mean_or_none(1 - matched.succeeded.astype(float)) if len(matched) else None
        )
        assert group.mean_review_iterations == pytest.approx(
            mean_or_none(matched.code_review_iterations)
        )
        assert group.deployments == matched.deployment_succeeded.notna().sum()
        assert group.deployment_success_rate == pytest.approx(
            mean_or_none(matched.deployment_succeeded)
        )
        close_quantile(group, matched.duration_s.dropna())


def close_quantile(group: GroupFigures, durations: "pd.Series[float]") -> None:
    for found, share in ((group.median_s, 0.5), (group.p90_s, 0.9)):
        if durations.empty:
            assert found is None
        else:
            exact = durations.quantile(share, interpolation="lower")
            upper = durations.quantile(share, interpolation="higher")
            assert found is not None
            assert exact * 0.985 - 1e-3 <= found <= upper * 1.015 + 1e-3


@given(decisions())
def test_every_combination_that_occurs_has_a_group(found: list[Comparison]) -> None:
    inside = [d for d in found if SINCE_MS <= d.outcome.at_ms < UNTIL_MS]
    groups = figures_of_period(found, since_ms=SINCE_MS, until_ms=UNTIL_MS).groups
    assert groups[0].kind == "all"
    assert {(g.agent_id, g.task_type) for g in groups if g.kind == "agent_and_task_type"} == {
        (d.agent_id, d.task_type) for d in inside
    }
    assert {g.agent_id for g in groups if g.kind == "agent"} == {d.agent_id for d in inside}


@given(decisions(), st.randoms())
def test_the_order_of_decisions_changes_nothing(found: list[Comparison], chance: object) -> None:
    shuffled = list(found)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]  # hypothesis types it as object
    expected = figures_of_period(found, since_ms=SINCE_MS, until_ms=UNTIL_MS)
    assert figures_of_period(shuffled, since_ms=SINCE_MS, until_ms=UNTIL_MS) == expected


def test_tasks_of_too_many_groups_count_in_all_only() -> None:
    found = [
        msgspec.structs.replace(
            a_decision(number, ended_at_ms=SINCE_MS + number), agent_id=f"agent-{number}"
        )
        for number in range(5)
    ]
    figures = figures_of_period(found, since_ms=SINCE_MS, until_ms=UNTIL_MS, most_groups=2)
    assert figures.groups[0].ended == 5
    assert [g.agent_id for g in figures.groups if g.kind == "agent"] == ["agent-0", "agent-1"]
    assert figures.left_out == 3
