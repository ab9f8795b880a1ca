"""The passing of time: decay, forgetting, and that no later value depends on it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.features.oracle import Oracle
from tests.unit.features.support import (
    APPENDED,
    DAY,
    HOUR,
    MINUTE,
    T0,
    Record,
    agents,
    configs,
    events,
    finished,
    random_log,
    run,
    started,
)

from gnomon import codec
from gnomon.events import TaskEvent
from gnomon.features import FeaturesConfig, FeaturesState, fold, restore, snapshot, tick

CONFIG = FeaturesConfig()


def counts(state: FeaturesState, now_ms: int) -> list[tuple[str, int, int, int]]:
    return [
        (a.agent_id, a.as_of_ms, a.tasks_completed_1h, a.tasks_in_flight)
        for a in agents(tick(state, now_ms))
    ]


def test_a_silent_agent_decays_to_zero() -> None:
    state = FeaturesState()
    run([finished("f1", T0), finished("f2", T0 + 90_000), started("s", T0 + 90_001)], state=state)

    assert counts(state, T0 + HOUR - 1) == []
    assert counts(state, T0 + HOUR) == [("a", T0 + HOUR, 1, 1)]
    assert counts(state, T0 + HOUR + 89_999) == []
    assert counts(state, T0 + HOUR + 90_000) == [("a", T0 + HOUR + 90_000, 0, 1)]
    assert counts(state, T0 + DAY + 90_000) == []
    assert counts(state, T0 + DAY + 90_001) == [("a", T0 + DAY + 90_001, 0, 0)]
    assert counts(state, T0 + 50 * DAY) == []


def test_only_agents_that_change_are_written() -> None:
    state = FeaturesState()
    run([finished(f"f{i}", T0 + i * MINUTE, agent=f"a{i}") for i in range(50)], state=state)
    assert [a for a, *_ in counts(state, T0 + HOUR + 2 * MINUTE)] == ["a0", "a1", "a2"]


def test_a_finish_that_came_out_of_order_decays_first() -> None:
    state = FeaturesState()
    run([finished("f1", T0)], state=state)
    run([finished("f2", T0 - 5 * MINUTE)], state=state)
    assert counts(state, T0 + 55 * MINUTE) == [("a", T0 + 55 * MINUTE, 1, 0)]


def test_a_decayed_agent_says_when_it_last_finished() -> None:
    state = FeaturesState()
    run([finished("f", T0, duration_s=5.0)], state=state)

    (decayed,) = agents(tick(state, T0 + 2 * HOUR))

    assert decayed.avg_execution_time_1h is None
    assert decayed.last_finished_at_ms == T0
    assert decayed.completeness.hour_seen == 1.0


@given(events, st.lists(st.integers(0, 60 * 28), min_size=1, max_size=3).map(sorted), configs)
def test_a_tick_writes_exactly_what_time_has_changed(
    given_events: list[TaskEvent], minutes: list[int], config: FeaturesConfig
) -> None:
    oracle, state = Oracle(config.max_lateness_ms), FeaturesState()
    for event in given_events:
        oracle.read(event)
    half = len(given_events) // 2
    run(given_events[:half], state=state, config=config)
    run(given_events[half:], state=state, config=config)
    newest = max((agent.newest for agent in oracle.agents.values()), default=T0)
    written = {a: oracle.counts(a, agent.newest) for a, agent in oracle.agents.items()}

    for minute in minutes:
        now = newest + minute * MINUTE
        expected = {a: new for a, old in written.items() if (new := oracle.counts(a, now)) != old}

        got = {a: (finishes, flights) for a, _, finishes, flights in counts(state, now)}

        assert got == expected
        written |= expected


@given(events, configs, st.data())
def test_ticks_change_no_vector(
    given_events: list[TaskEvent], config: FeaturesConfig, data: st.DataObject
) -> None:
    state = FeaturesState()
    ticked = []

    for event in given_events:
        ticked += run([event], state=state, config=config)
        if data.draw(st.booleans()):
            tick(state, T0 + data.draw(st.integers(0, 60)) * DAY)

    assert ticked == run(given_events, config=config)


def test_ticks_change_no_vector_of_a_long_log() -> None:
    log, state = random_log(7), FeaturesState()
    ticked = []
    for i, event in enumerate(log):
        ticked += run([event], state=state)
        if i % 7 == 0:
            tick(state, T0 + 5 * HOUR + i * MINUTE)
    assert ticked == run(log)


def _append(state: FeaturesState, event: TaskEvent, timestamp: int) -> int:
    """Fold one record; for a start, return how many runs of its agent were known."""
    outputs = fold(state, [Record(codec.encode(event), timestamp=timestamp)], config=CONFIG)
    assert outputs.dead == []
    written = outputs.by_topic.get("task-features", [])
    return codec.decode_task_features(written[0][1] or b"").features.agent_runs if written else -1


@pytest.mark.parametrize("ticks", [True, False])
@pytest.mark.parametrize(("silent_ms", "runs"), [(30 * DAY, 1), (30 * DAY + 1, 0), (90 * DAY, 0)])
def test_an_agent_nothing_is_heard_of_for_thirty_days_is_forgotten(
    *, silent_ms: int, runs: int, ticks: bool
) -> None:
    """By append time, and whether or not a tick has dropped it."""
    state = FeaturesState()
    _append(state, finished("f", T0), APPENDED)
    _append(state, finished("g", T0, agent="b"), APPENDED + silent_ms)
    if ticks:
        tick(state, T0 + 400 * DAY)
    assert _append(state, started("s", T0 + 1), APPENDED + silent_ms) == runs


def test_memory_is_given_back() -> None:
    """A thousand agents come and go; a snapshot shows that they are gone."""
    state = FeaturesState()
    for i in range(1000):
        _append(state, finished("f", T0, agent=f"a{i}"), APPENDED)
    full = len(snapshot(state))

    for day in range(40):
        _append(state, finished(f"f{day}", T0, agent="stays"), APPENDED + day * DAY)
        tick(state, APPENDED + day * DAY)

    assert len(snapshot(state)) < full / 50
    assert _append(state, started("s", T0, agent="stays"), APPENDED + 40 * DAY) == 20


@given(events, st.integers(0, 60 * 28))
def test_a_tick_after_restoring_writes_the_same(
    given_events: list[TaskEvent], minutes: int
) -> None:
    state = FeaturesState()
    run(given_events, state=state)
    restored = restore(snapshot(state))
    now = T0 + minutes * MINUTE

    assert sorted(map(str, agents(tick(restored, now)))) == sorted(
        map(str, agents(tick(state, now)))
    )
