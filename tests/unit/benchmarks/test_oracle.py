"""What contenders are held against, and the window the peers are given."""

import json
from itertools import groupby

import pytest
from benchmarks.harness.oracle import FIGURES, HOUR, compare, expected, figures_of
from benchmarks.harness.stream import Event, by_partition, encoded, events
from benchmarks.jobs.rolling import Rolling, Whole, step

from gnomon.events import TaskFinished, TaskStarted

T_MS = 1_760_000_000_000
HOUR_MS = 3_600_000


def start(task_id: str, at_ms: int, agent_id: str = "a") -> TaskStarted:
    return TaskStarted(agent_id=agent_id, task_id=task_id, task_type="x", started_at_ms=at_ms)


def finish(
    at_ms: int, *, seconds: float = 2.0, succeeded: bool = True, agent_id: str = "a"
) -> TaskFinished:
    return TaskFinished(
        agent_id=agent_id,
        task_id=f"f{at_ms}",
        task_type="x",
        started_at_ms=at_ms - 1,
        finished_at_ms=at_ms,
        duration_s=seconds,
        succeeded=succeeded,
        code_review_iterations=3,
    )


STREAM: list[Event] = [
    finish(T_MS - HOUR_MS),
    finish(T_MS - HOUR_MS + 1, seconds=4.0, succeeded=False),
    finish(T_MS, seconds=8.0),
    finish(T_MS + 1),
    finish(T_MS - 5, agent_id="b"),
    start("s1", T_MS),
    finish(T_MS - 7, seconds=3.0),
    start("s2", T_MS - 2 * HOUR_MS),
]


def test_the_hour_is_open_on_the_left_and_read_before_the_start() -> None:
    found = expected(STREAM, by_event_time=False)

    assert {task: figures[:4] for task, figures in found.items()} == {
        "s1": (2, 6.0, 0.5, 3.0),
        "s2": (0, None, None, None),
    }


def test_what_else_is_known_is_of_the_log_before_the_start() -> None:
    (rest,) = (
        figures[4:]
        for task, figures in expected(STREAM, by_event_time=False).items()
        if task == "s1"
    )

    assert rest == (6.0, None, 0, 0.0, 4, 4.0, 0.75, 4, 4.0, 0.75)


def test_by_event_time_what_is_read_later_counts_too() -> None:
    found = expected(STREAM, by_event_time=True)

    assert found["s1"][:4] == (3, 5.0, 2 / 3, 3.0)


def test_what_is_missing_twice_or_wrong_is_counted() -> None:
    wanted = dict.fromkeys(("right", "wrong", "twice", "missing"), (1.0, 2.0, None, 4.0))
    right = wanted["right"]
    found = [
        ("right", (1.0, 2.0 + 1e-12, None, 4.0)),
        ("wrong", (1.0, 2.0, 0.0, 4.0)),
        ("twice", right),
        ("twice", right),
        ("another", right),
    ]

    verdict = compare(found, wanted, first=4)

    assert str(verdict) == "missing 1, twice 1, wrong 1"
    assert not verdict.right
    assert compare([("right", right)], {"right": right}, first=4).right
    assert compare([("wrong", (1.0, 9.0))], {"wrong": (1.0, 2.0)}, first=1).right
    assert not compare([], {}, first=4).right


def test_figures_are_found_nested_and_flat() -> None:
    flat = {"tasks_completed_1h": 2, "avg_execution_time_1h": 1.5, "success_rate_1h": 0.5}

    assert figures_of(json.dumps({"task_id": "t", "features": flat}).encode()) == (
        "t",
        (2, 1.5, 0.5, None, *[None] * 10),
    )
    task_id, figures = figures_of(json.dumps({"task_id": "t", **flat}).encode())
    assert (task_id, figures[:4]) == ("t", (2, 1.5, 0.5, None))


@pytest.mark.parametrize(("begin", "figures"), [(Rolling, HOUR), (Whole, FIGURES)])
def test_the_window_by_hand_is_exact(begin: type[Rolling], figures: tuple[str, ...]) -> None:
    stream = list(events(6_000, agents=10, span_h=3.0))
    windows: dict[str, Rolling] = {}
    found = []
    for key, value in encoded(stream):
        written = step(windows.setdefault(key.decode(), begin()), json.loads(value))
        windows[key.decode()].load(json.loads(json.dumps(windows[key.decode()].dump())))
        if written is not None:
            found.append(figures_of(json.dumps(written).encode()))
    wanted = expected(stream, by_event_time=False)

    verdict = compare(found, wanted, first=len(figures))

    assert str(verdict) == "3,000 exact"


def test_a_stream_is_whole_in_order_and_the_same_again() -> None:
    stream = list(events(2_000, agents=5, span_h=1.0))

    kinds = [isinstance(event, TaskStarted) for event in stream]
    assert (kinds.count(True), kinds.count(False)) == (1_000, 1_000)
    by_task = sorted(stream, key=lambda event: event.task_id)  # stable: keeps the stream's order
    for _, pair in groupby(by_task, key=lambda event: event.task_id):
        assert [type(event) for event in pair] == [TaskStarted, TaskFinished]
    assert stream == list(events(2_000, agents=5, span_h=1.0))


def test_an_agent_is_in_one_partition_and_in_order() -> None:
    keyed = [(f"k{i % 7}".encode(), str(i).encode()) for i in range(70)]

    parts = by_partition(keyed, 3)

    assert sorted(pair for part in parts.values() for pair in part) == sorted(keyed)
    for key in {key for key, _ in keyed}:
        holders = [[int(v) for k, v in part if k == key] for part in parts.values()]
        (values,) = [found for found in holders if found]
        assert values == sorted(values)
