"""Helpers that read the task events which a framework driver published."""

from collections import Counter
from typing import Any

Event = dict[str, Any]
CALCULATION = [
    ("task_started.v1", "calculator", "calculator"),
    ("task_started.v1", "calculator", "tool:add"),
    ("task_finished.v1", "calculator", "tool:add"),
    ("task_finished.v1", "calculator", "calculator"),
]
"""One agent that adds two numbers with a tool, in every framework alike."""
TWO_CALLS = {"llm_calls": 2, "tool_calls": 1, "input_tokens": 20, "output_tokens": 10}
"""What it took: the model is called before and after, each time for 10 tokens and 5."""


def event_sequence(events: list[Event]) -> list[tuple[str, str, str]]:
    """Kind, agent and task type of each event, in order; of a cancelled task its reason."""
    return [
        (event["kind"], event["agent_id"], event.get("task_type") or event["reason"])
        for event in events
    ]


def ends(events: list[Event]) -> dict[str, tuple[bool, str | None]]:
    """By task type, whether it succeeded and the type of its error."""
    return {
        event["task_type"]: (event["succeeded"], event.get("error_type"))
        for event in events
        if event["kind"] == "task_finished.v1"
    }


def finish(events: list[Event], task_type: str) -> Event:
    """The one end of this task type."""
    [found] = [
        event
        for event in events
        if event["kind"] == "task_finished.v1" and event["task_type"] == task_type
    ]
    return found


def check_pairs(events: list[Event], *, tasks: int) -> None:
    """Each of ``tasks`` tasks starts once, then ends once, with what the start has said."""
    started: dict[str, Event] = {}
    ended: Counter[str] = Counter()
    for event in events:
        task_id = event["task_id"]
        if event["kind"] == "task_started.v1":
            assert task_id not in started
            started[task_id] = event
            continue
        ended[task_id] += 1
        assert event["agent_id"] == started[task_id]["agent_id"]
        if event["kind"] == "task_finished.v1":
            for field in ("task_type", "started_at_ms", "context"):
                assert event[field] == started[task_id][field]
            assert event["finished_at_ms"] >= event["started_at_ms"]
            took_s = (event["finished_at_ms"] - event["started_at_ms"]) / 1000
            assert abs(event["duration_s"] - took_s) < 0.1
    assert len(started) == tasks
    assert ended == Counter(dict.fromkeys(started, 1))
