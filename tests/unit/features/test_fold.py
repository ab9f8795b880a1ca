"""The vectors against the definitions."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.features.oracle import Oracle, flat, near
from tests.unit.features.support import (
    DAY,
    HOUR,
    MINUTE,
    SECOND,
    T0,
    agents,
    cancelled,
    configs,
    events,
    finished,
    last,
    random_log,
    records,
    run,
    started,
    vectors,
)

from gnomon.events import TaskEvent
from gnomon.features import FeaturesConfig, FeaturesState, fold

NOW = T0 + 10 * HOUR


@given(events, configs)
def test_every_vector_is_what_the_definitions_say(
    given_events: list[TaskEvent], config: FeaturesConfig
) -> None:
    """In any order of arrival, with repeats, ends without a start, and late events."""
    oracle = Oracle(config.max_lateness_ms)

    expected = [
        (event.task_id, near(vector))
        for event in given_events
        if (vector := oracle.read(event)) is not None
    ]

    assert [(v.task_id, flat(v)) for v in run(given_events, config=config)] == expected


@pytest.mark.parametrize("seed", range(4))
def test_a_long_log_is_what_the_definitions_say(seed: int) -> None:
    """Long enough for windows to be ranked, and for their past to be dropped, many times."""
    log = random_log(seed)
    oracle = Oracle(10 * MINUTE)

    expected = [near(vector) for event in log if (vector := oracle.read(event)) is not None]

    assert [flat(vector) for vector in run(log)] == expected


@given(events, configs, st.data())
def test_the_split_into_batches_changes_no_vector(
    given_events: list[TaskEvent], config: FeaturesConfig, data: st.DataObject
) -> None:
    cuts = data.draw(st.lists(st.integers(0, len(given_events)), max_size=4).map(sorted))
    state = FeaturesState()

    parts = [given_events[i:j] for i, j in zip([0, *cuts], [*cuts, len(given_events)], strict=True)]

    split = [v for part in parts for v in run(part, state=state, config=config)]
    assert split == run(given_events, config=config)


@pytest.mark.parametrize(
    ("age_ms", "counted"),
    [(-1, 0), (0, 1), (1, 1), (HOUR - 1, 1), (HOUR, 0), (HOUR + 1, 0)],
)
def test_the_edges_of_the_hour(age_ms: int, counted: int) -> None:
    """Left edge open, right edge closed; a finish yet to come is not counted."""
    vector = last([finished("f", NOW - age_ms), started("s", NOW)])
    assert vector.features.tasks_completed_1h == counted


@pytest.mark.parametrize(
    ("behind_ms", "counted", "late"),
    [(10 * MINUTE - 1, 1, 0), (10 * MINUTE, 1, 0), (10 * MINUTE + 1, 0, 1), (59 * MINUTE, 0, 1)],
)
def test_a_late_finish_is_left_out_and_shows(behind_ms: int, counted: int, late: int) -> None:
    vector = last(
        [started("first", NOW), finished("f", NOW - behind_ms), started("s", NOW)],
    )

    assert vector.features.tasks_completed_1h == counted
    assert vector.completeness.late_dropped == late
    assert vector.features.agent_runs == 1
    assert vector.features.seconds_since_last_finish == behind_ms / 1000


def test_lateness_is_against_the_agents_own_clock() -> None:
    """One agent was offline while another went on."""
    vector = last(
        [
            started("s0", NOW, agent="other"),
            finished("f", NOW - 5 * HOUR),
            started("s", NOW - 5 * HOUR + 1),
        ]
    )
    assert vector.features.tasks_completed_1h == 1


def test_only_what_was_read_before_the_start_counts() -> None:
    vector = last([started("s", NOW), finished("f", NOW - MINUTE)])
    assert vector.features.tasks_completed_1h == 0


def test_figures_of_an_hour() -> None:
    vector = last(
        [
            finished("f1", NOW - 3, duration_s=1.5, reviews=2, deployed=True),
            finished("f2", NOW - 2, duration_s=2.5, succeeded=False, deployed=False),
            finished("f3", NOW - 1, duration_s=8.0, reviews=3),
            finished("f4", NOW - 500, duration_s=4.0),
            started("s", NOW),
        ]
    ).features

    assert vector.tasks_completed_1h == 4
    assert vector.avg_execution_time_1h == 4.0
    assert vector.success_rate_1h == 0.75
    assert vector.code_review_iterations == 2.5
    assert vector.median_execution_time_1h == 3.25
    assert vector.deployment_success_rate_1h == 0.5
    assert vector.seconds_since_last_finish == 0.001


@pytest.mark.parametrize("newest_is_late", [True, False])
def test_the_last_finish_is_known_long_after_its_hour_has_been_dropped(
    *, newest_is_late: bool
) -> None:
    """Only cancellations are read for hours, enough of them that old finishes are dropped."""
    log: list[TaskEvent] = [finished(f"f{i}", NOW - 20 * MINUTE - i) for i in range(30)]
    if newest_is_late:
        log += [started("clock", NOW), finished("late", NOW - 15 * MINUTE)]
    log += [cancelled(f"c{i}", NOW + 5 * HOUR + i) for i in range(60)]

    vector = last([*log, started("s", NOW + 6 * HOUR)])

    minutes = 6 * 60 + (15 if newest_is_late else 20)
    assert vector.features.seconds_since_last_finish == minutes * 60


def test_nothing_to_average_is_none() -> None:
    vector = last([started("s", NOW)]).features
    assert [name for name in vector.__struct_fields__ if getattr(vector, name) is not None] == [
        "tasks_completed_1h",
        "tasks_in_flight",
        "same_type_runs",
        "agent_runs",
    ]


@pytest.mark.parametrize(
    ("age_ms", "in_flight"), [(0, 1), (DAY - 1, 1), (DAY, 0), (-1, 0), (-5 * MINUTE, 0)]
)
def test_the_edges_of_a_flight(age_ms: int, in_flight: int) -> None:
    """Started within 24 h, and not in the future of the instant."""
    vector = last([started("other", NOW - age_ms), started("s", NOW)])
    assert vector.features.tasks_in_flight == in_flight


@pytest.mark.parametrize("end", [finished("other", NOW - 1), cancelled("other", NOW - 1)])
def test_an_end_takes_a_task_out_of_flight(end: TaskEvent) -> None:
    vector = last([started("other", NOW - 2), end, started("s", NOW)])
    assert vector.features.tasks_in_flight == 0


def test_the_last_twenty_runs_count_however_old() -> None:
    runs: list[TaskEvent] = [
        finished(
            f"f{i}",
            T0 + i * MINUTE,
            duration_s=float(i),
            succeeded=i % 2 == 0,
            task_type="yx"[i % 2],
        )
        for i in range(50)
    ]

    vector = last([*runs, started("s", T0 + 90 * DAY, task_type="x")]).features

    assert vector.tasks_completed_1h == 0
    assert (vector.agent_runs, vector.agent_avg_execution_time) == (20, 39.5)
    assert vector.agent_success_rate == 0.5
    assert (vector.same_type_runs, vector.same_type_avg_execution_time) == (20, 30.0)
    assert vector.same_type_success_rate == 0.0


def test_a_thousand_task_types_are_remembered_of_an_agent() -> None:
    """With 1,024 there, the one that finished longest ago gives way to a new one."""
    log: list[TaskEvent] = [finished(f"f{i}", NOW, task_type=f"k{i}") for i in range(1024)]
    log.append(finished("again", NOW, task_type="k0"))
    log.append(finished("one too many", NOW, task_type="k1024"))

    got = run([*log, *(started(k, NOW, task_type=k) for k in ("k0", "k1", "k2", "k1024"))])

    assert [vector.features.same_type_runs for vector in got] == [2, 0, 1, 1]


def test_a_repeated_finish_counts_once() -> None:
    events = [finished("f", NOW - 2), finished("f", NOW - 1), finished("f", NOW - 2)]
    vector = last([*events, started("s", NOW)]).features
    assert (vector.tasks_completed_1h, vector.agent_runs) == (1, 1)


def test_repeats_are_told_for_as_long_as_the_hour_and_the_lateness() -> None:
    """Though much else has been dropped on the way."""
    log: list[TaskEvent] = [finished(f"f{i}", NOW + i * 2 * MINUTE) for i in range(100)]
    newest = NOW + 99 * 2 * MINUTE
    # The oldest finish that is later than 70 minutes before the newest, and one just not.
    log += [finished("f65", newest - 68 * MINUTE), finished("f64", newest - 70 * MINUTE)]

    got = run([*log, started("f66", newest), started("f64", newest), started("s", newest)])

    assert [vector.task_id for vector in got] == ["f64", "s"]
    assert got[1].completeness.late_dropped == 0


def test_flights_are_dropped_after_a_day_and_the_lateness() -> None:
    later = NOW + DAY + 11 * MINUTE
    log: list[TaskEvent] = [started(f"old{i}", NOW) for i in range(40)]
    log += [started("between", NOW + DAY // 2)]
    log += [started(f"new{i}", later) for i in range(40)]
    log += [started("between", later)]
    log += [finished(f"new{i}", later + 1) for i in range(30)]
    log += [started("old0", later + 2), finished("old1", later + 2), started("s", later + 3)]

    got = run(log)

    assert [vector.task_id for vector in got[-3:]] == ["new39", "old0", "s"]
    assert [vector.features.tasks_in_flight for vector in got[-2:]] == [11, 12]


def test_a_finish_after_a_cancellation_counts() -> None:
    vector = last([cancelled("f", NOW - 2), finished("f", NOW - 1), started("s", NOW)])
    assert vector.features.tasks_completed_1h == 1


@pytest.mark.parametrize(
    "before",
    [
        [started("s", NOW)],
        [started("s", NOW - MINUTE)],
        [finished("s", NOW + 1)],
        [started("s", NOW), finished("s", NOW + 1)],
        [started("s", NOW), cancelled("s", NOW + 1)],
    ],
)
def test_a_repeated_start_leads_to_nothing(before: list[TaskEvent]) -> None:
    state = FeaturesState()
    run(before, state=state)
    assert run([started("s", NOW)], state=state) == []


def test_what_a_start_says_is_passed_on() -> None:
    start = msgspec.structs.replace(
        started("s", NOW, estimate_s=12.5, task_type="t", agent="ä"), sealed_context=b"\0sealed"
    )
    vector = last([start])
    assert vector.sealed_context == b"\0sealed"
    assert (vector.agent_id, vector.task_type, vector.started_at_ms) == ("ä", "t", NOW)
    assert vector.estimate_s == 12.5


@pytest.mark.parametrize(
    ("seen_ms", "share"),
    [(0, 0.0), (15 * MINUTE, 0.25), (HOUR, 1.0), (2 * HOUR, 1.0), (-MINUTE, 0.0)],
)
def test_a_cold_start_shows(seen_ms: int, share: float) -> None:
    """The hour is seen from the first record's own time on, whoever's it was."""
    vector = last([started("first", NOW - seen_ms, agent="other"), started("s", NOW)])
    assert vector.completeness.hour_seen == share


@pytest.mark.parametrize(
    ("behind_ms", "share"), [(10 * MINUTE, 1.0), (25 * MINUTE, 0.75), (70 * MINUTE, 0.0)]
)
def test_a_start_beyond_the_lateness_shows(behind_ms: int, share: float) -> None:
    vector = last(
        [started("a", NOW - 9 * HOUR), started("newest", NOW), started("s", NOW - behind_ms)]
    )
    assert vector.completeness.hour_seen == share


def test_each_agent_touched_is_written_once_a_batch() -> None:
    outputs = fold(
        FeaturesState(),
        records(
            [
                finished("f1", NOW, agent="a", duration_s=2.0, reviews=1, deployed=True),
                started("s1", NOW + 5, agent="b"),
                finished("f2", NOW - 9, agent="a", duration_s=3.0, succeeded=False),
                started("s2", NOW + 7, agent="a"),
            ]
        ),
        config=FeaturesConfig(),
    )

    a, b = agents(outputs)
    assert (a.agent_id, a.as_of_ms, a.tasks_completed_1h, a.tasks_in_flight) == ("a", NOW + 7, 2, 1)
    assert (a.avg_execution_time_1h, a.success_rate_1h) == (2.5, 0.5)
    assert (a.median_execution_time_1h, a.code_review_iterations) == (2.5, 1.0)
    assert (a.deployment_success_rate_1h, a.last_finished_at_ms) == (1.0, NOW)
    assert (b.agent_id, b.as_of_ms, b.tasks_completed_1h, b.tasks_in_flight) == ("b", NOW + 5, 0, 1)
    assert (b.avg_execution_time_1h, b.last_finished_at_ms) == (None, None)
    assert len(vectors(outputs)) == 2


def test_a_batch_of_nothing_writes_nothing() -> None:
    outputs = fold(FeaturesState(), [], config=FeaturesConfig())
    assert (outputs.by_topic, outputs.dead) == ({}, [])


def test_sums_do_not_drift() -> None:
    """A huge duration leaves the window without a trace in the small ones."""
    events: list[TaskEvent] = [finished("huge", T0, duration_s=9_000_000.0)]
    for i in range(1, 4000):
        events.append(finished(f"f{i}", T0 + i * 10 * SECOND, duration_s=0.1))
        events.append(started(f"s{i}", T0 + i * 10 * SECOND))
    vector = last(events).features
    assert (vector.tasks_completed_1h, vector.avg_execution_time_1h) == (360, 0.1)
    assert vector.median_execution_time_1h == 0.1
