"""After records that were never read, the completeness of every feature says so, for an hour."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.features.support import (
    HOUR,
    MINUTE,
    T0,
    agents,
    cancelled,
    events,
    finished,
    last,
    records,
    run,
    started,
)

from gnomon.events import TaskEvent
from gnomon.features import FeaturesConfig, FeaturesState, fold, restore, snapshot, tick
from gnomon.runtime.metrics import Metrics
from gnomon.settings import Settings
from gnomon.stages.features import FeaturesStage


def after_a_day() -> FeaturesState:
    """A state that has seen more than an hour, the last events of it at ``T0``."""
    state = FeaturesState()
    run([finished("old", T0 - 20 * HOUR), started("open", T0 - 10 * MINUTE)], state=state)
    run([finished("f", T0 - MINUTE, duration_s=30.0), started("s", T0)], state=state)
    return state


def gap(state: FeaturesState) -> FeaturesState:
    FeaturesStage(Settings(), metrics=Metrics(), now_ms=lambda: 0).missed(state, 1)
    return state


def test_before_the_gap_the_hour_is_complete() -> None:
    (vector,) = run([started("t", T0 + MINUTE)], state=after_a_day())
    assert vector.completeness.hour_seen == 1.0


@pytest.mark.parametrize(
    ("minutes", "seen"), [(0, 0.0), (10, 0.0), (25, 0.25), (55, 0.75), (70, 1.0), (600, 1.0)]
)
def test_what_was_seen_of_the_hour_is_counted_from_the_first_record_after_it(
    minutes: int, seen: float
) -> None:
    """And from as much later as an event that was lost may have come before a newer one: ten minutes."""
    state = gap(after_a_day())
    begins = T0 + 30 * MINUTE
    run([started("first", begins, agent="b")], state=state)

    outputs = fold(
        state, records([started("t", begins + minutes * MINUTE)]), config=FeaturesConfig()
    )

    assert [agent.completeness.hour_seen for agent in agents(outputs)] == [seen]
    (vector,) = run([started("u", begins + minutes * MINUTE)], state=state)
    assert vector.completeness.hour_seen == seen


def test_it_is_told_before_any_record_has_been_read_again() -> None:
    state = gap(after_a_day())
    (agent,) = agents(tick(state, T0 + HOUR + MINUTE))
    assert agent.completeness.hour_seen == 0.0


def test_what_was_read_before_the_gap_is_not_forgotten() -> None:
    state = gap(after_a_day())
    (vector,) = run([started("t", T0 + MINUTE)], state=state)
    assert (vector.features.agent_runs, vector.features.tasks_completed_1h) == (2, 1)
    assert (vector.features.avg_execution_time_1h, vector.features.tasks_in_flight) == (30.0, 2)
    assert (
        run([finished("f", T0 - MINUTE), started("s", T0)], state=state) == []
    )  # both are repeats


def test_an_old_event_read_first_after_it_covers_nothing_before_it() -> None:
    """For example one from a spool: what others did since then was missed."""
    state = gap(after_a_day())
    run([started("spooled", T0 - 45 * MINUTE, agent="b")], state=state)
    (vector,) = run([started("t", T0 + 15 * MINUTE)], state=state)
    assert vector.completeness.hour_seen == 0.25


def test_a_snapshot_keeps_the_gap() -> None:
    state = restore(snapshot(gap(after_a_day())))
    run([started("first", T0 + MINUTE)], state=state)
    (vector,) = run([started("t", T0 + 26 * MINUTE)], state=state)
    assert vector.completeness.hour_seen == 0.25


@given(before=events, after=events, other=st.booleans())
def test_only_the_completeness_differs_from_a_log_without_a_gap(
    before: list[TaskEvent], after: list[TaskEvent], *, other: bool
) -> None:
    """What the gap held did not exist here, so nothing else may change."""
    whole, torn = FeaturesState(), FeaturesState()
    run(before, state=whole)
    run(before, state=torn)
    gap(torn)
    if other:
        torn = restore(snapshot(torn))
    for with_gap, without in zip(run(after, state=torn), run(after, state=whole), strict=True):
        assert with_gap.completeness.hour_seen <= without.completeness.hour_seen
        assert with_gap.completeness.late_dropped == without.completeness.late_dropped
        assert with_gap.features == without.features


def test_an_event_of_the_gap_that_came_in_time_is_in_no_hour_that_looks_complete() -> None:
    """It happened after the first event that was read again, and was sent before it."""
    lost_ms = T0 + 31 * MINUTE
    state = gap(after_a_day())
    run([started("first", lost_ms - 10 * MINUTE, agent="b")], state=state)

    (with_it,) = run([started("t", lost_ms + HOUR - 1)], state=state)
    (after_it,) = run([started("u", lost_ms + HOUR)], state=state)

    assert with_it.completeness.hour_seen < 1.0
    assert after_it.completeness.hour_seen == 1.0


def test_a_log_whose_beginning_was_removed_begins_with_a_gap() -> None:
    state = gap(FeaturesState())
    run([started("first", T0, agent="b")], state=state)
    (vector,) = run([started("t", T0 + 25 * MINUTE)], state=state)
    assert vector.completeness.hour_seen == 0.25


def test_a_log_that_begins_somewhere_is_as_it_was() -> None:
    vector = last([cancelled("c", T0), started("t", T0 + 15 * MINUTE)])
    assert vector.completeness.hour_seen == 0.25
