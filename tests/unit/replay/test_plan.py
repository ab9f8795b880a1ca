"""Runs become events in the order in which they happened."""

from hypothesis import given
from hypothesis import strategies as st

from gnomon.codec import event_time_ms
from gnomon.events import TaskCancelled, TaskFinished, TaskStarted
from gnomon.replay.plan import in_event_time_order
from gnomon.replay.source import Run


def a_run(number: int, started_at_ms: int, lasted_ms: int) -> Run:
    return Run(
        started=TaskStarted(
            agent_id="a", task_id=str(number), task_type="t", started_at_ms=started_at_ms
        ),
        finished=TaskFinished(
            agent_id="a",
            task_id=str(number),
            task_type="t",
            started_at_ms=started_at_ms,
            finished_at_ms=started_at_ms + lasted_ms,
            duration_s=lasted_ms / 1000,
            succeeded=True,
        ),
    )


def test_at_one_instant_a_finish_comes_first() -> None:
    ordered = in_event_time_order([a_run(1, 1000, 5), a_run(0, 5, 995)])

    assert [(type(e).__name__, e.task_id) for e in ordered] == [
        ("TaskStarted", "0"),
        ("TaskFinished", "0"),
        ("TaskStarted", "1"),
        ("TaskFinished", "1"),
    ]


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 5)), max_size=12))
def test_times_never_go_back_and_no_run_ends_before_it_began(spans: list[tuple[int, int]]) -> None:
    events = in_event_time_order([a_run(i, at, lasted) for i, (at, lasted) in enumerate(spans)])

    times = list(map(event_time_ms, events))
    assert times == sorted(times)
    assert len(events) == 2 * len(spans)
    begun: set[str] = set()
    for event in events:
        assert isinstance(event, TaskStarted) or event.task_id in begun
        begun.add(event.task_id)


def test_a_cancelled_run_ends_in_its_time() -> None:
    given_up = Run(
        started=a_run(0, 5, 0).started,
        finished=None,
        cancelled=TaskCancelled(agent_id="a", task_id="0", cancelled_at_ms=9),
    )

    ordered = in_event_time_order([a_run(1, 9, 1), given_up])

    assert [(type(e).__name__, e.task_id) for e in ordered][:3] == [
        ("TaskStarted", "0"),
        ("TaskCancelled", "0"),
        ("TaskStarted", "1"),
    ]
