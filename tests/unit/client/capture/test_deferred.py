"""Changes that an agent makes to an event after the call do not change the sent event."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from gnomon.client import Client
from gnomon.events import TaskEvent, TaskFinished, TaskStarted


def started(context: dict[str, Any], task_id: str = "t") -> TaskStarted:
    return TaskStarted(
        agent_id="a", task_id=task_id, task_type="x", started_at_ms=1_000, context=context
    )


def finished(context: dict[str, Any], outcome: dict[str, Any]) -> TaskFinished:
    return TaskFinished(
        agent_id="a",
        task_id="t",
        task_type="x",
        started_at_ms=1_000,
        finished_at_ms=2_000,
        duration_s=1.0,
        succeeded=True,
        context=context,
        outcome=outcome,
    )


@pytest.fixture
def unhurried(any_client: Client) -> Client:
    """Nothing takes its events from the buffer before the test does."""
    any_client._intake.buffer.idle = False
    return any_client


@pytest.mark.parametrize("before", [{}, {"early": 1}], ids=["empty", "not empty"])
@pytest.mark.parametrize("late", [2, object()], ids=["what can be sent", "what cannot"])
def test_a_mapping_is_sent_as_it_was_in_the_call(
    before: dict[str, Any],
    late: object,
    unhurried: Client,
    published: Callable[[], list[TaskEvent]],
) -> None:
    of_start, of_end, outcome = before.copy(), before.copy(), before.copy()
    assert unhurried.emit(started(of_start))
    assert unhurried.emit(finished(of_end, outcome))
    assert unhurried.emit(finished(before, {}))
    for mapping in (of_start, of_end, outcome):
        mapping["late"] = late
    unhurried._intake._wake()

    assert published() == [started(before), finished(before, before), finished(before, {})]
    assert unhurried.stats().failed == 0


def test_an_event_that_can_no_longer_be_encoded_fails_and_delays_no_other(
    client: Client, memory: Any
) -> None:
    """Events are frozen; an agent that changes one all the same loses that event."""
    client._intake.buffer.idle = False
    events = [started({}, task_id) for task_id in ("first", "spoilt", "last")]
    for event in events:
        assert client.emit(event)
    msgspec.structs.force_setattr(events[1], "task_type", object())
    client._intake._wake()

    assert client.flush(5) == 1
    assert [event.task_id for event in memory.events] == ["first", "last"]
    stats = client.stats()
    assert (stats.accepted, stats.delivered, stats.failed, stats.buffered_bytes) == (3, 2, 1, 0)
