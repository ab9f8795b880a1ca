"""Tasks by ``with``, by decorator, and by ``start`` and ``finish``: which events come of them."""

import asyncio
import math
import time
from collections.abc import Callable

import pytest

from gnomon.client import Client, MemoryClient
from gnomon.events import ContextValue, TaskCancelled, TaskEvent, TaskFinished, TaskStarted

Sent = Callable[[], list[TaskEvent]]


@pytest.fixture
def client(any_client: Client) -> Client:
    """All of these hold for both kinds of client."""
    return any_client


@pytest.fixture
def sent(published: Sent) -> Sent:
    return published


def ends(events: list[TaskEvent]) -> list[TaskFinished]:
    return [event for event in events if isinstance(event, TaskFinished)]


def starts(events: list[TaskEvent]) -> list[TaskStarted]:
    return [event for event in events if isinstance(event, TaskStarted)]


def test_a_block_is_a_start_and_an_end(client: Client, sent: Sent) -> None:
    before_ms = time.time_ns() // 1_000_000
    with client.task("triage", estimate_s=0.5, context={"size": 3, "lang": "py"}) as task:
        task.set(code_review_iterations=2, deployment_succeeded=False)
    after_ms = time.time_ns() // 1_000_000

    start, end = sent()
    assert isinstance(start, TaskStarted)
    assert isinstance(end, TaskFinished)
    assert (start.agent_id, start.task_type) == ("router", "triage")
    assert (start.estimate_s, start.context) == (0.5, {"size": 3, "lang": "py"})
    assert start.task_id == end.task_id == task.task_id
    assert before_ms <= start.started_at_ms == end.started_at_ms <= end.finished_at_ms <= after_ms
    assert 0 <= end.duration_s <= (after_ms - before_ms + 1) / 1000
    assert (end.succeeded, end.error_type) == (True, None)
    assert (end.code_review_iterations, end.deployment_succeeded) == (2, False)


def test_an_end_is_complete_without_its_start(client: Client, sent: Sent) -> None:
    context: dict[str, ContextValue] = {"size": 3, "lang": "py"}
    with client.task("triage", estimate_s=0.5, context=context) as task:
        context["size"] = 4  # the agent's to change; what is published is what was said
        task.set(decision="accept", tokens=812)
        task.set(decision="reject", share=0.5, code_review_iterations=1)

    start, end = sent()
    assert isinstance(start, TaskStarted)
    assert isinstance(end, TaskFinished)
    assert (start.context, start.estimate_s) == ({"size": 3, "lang": "py"}, 0.5)
    assert (end.context, end.estimate_s) == (start.context, start.estimate_s)
    assert (end.started_at_ms, end.task_type) == (start.started_at_ms, "triage")
    assert end.outcome == {"decision": "reject", "tokens": 812, "share": 0.5}
    assert end.code_review_iterations == 1


def test_of_an_outcome_what_can_be_used_is_kept(client: Client, sent: Sent) -> None:
    with client.task("triage", context={"a": 1, "b": [2]}, estimate_s=-1.0) as task:  # type: ignore[dict-item]
        task.set(tokens=812, cost=math.nan, parts=[1], note="\ud800", code_review_iterations=-1)  # type: ignore[arg-type]

    start, end = sent()
    assert isinstance(start, TaskStarted)
    assert isinstance(end, TaskFinished)
    assert (start.context, start.estimate_s) == ({"a": 1}, None)
    assert (end.outcome, end.code_review_iterations) == ({"tokens": 812}, None)
    assert client.stats().dropped_invalid == 6
    assert client.stats().accepted == 2


def test_what_is_set_after_the_end_is_counted_and_changes_nothing(
    client: Client, sent: Sent
) -> None:
    with client.task("triage") as task:
        task.set(first=1)
    task.set(first=2)
    task.fail("Late")

    assert [(end.outcome, end.succeeded) for end in ends(sent())] == [({"first": 1}, True)]
    assert client.stats().dropped_invalid == 2


@pytest.mark.parametrize(("context", "outcome"), [(60_000, 10_000), (100, 70_000)])
def test_an_end_that_is_too_large_is_sent_without_what_makes_it_so(
    client: Client, sent: Sent, context: int, outcome: int
) -> None:
    with client.task("triage", context={"c": "x" * context}) as task:
        task.set(o="y" * outcome)

    (start,), (end,) = starts(sent()), ends(sent())
    assert start.context == {"c": "x" * context}
    assert end.context == {}
    assert end.outcome == ({"o": "y" * outcome} if outcome < 60_000 else {})


@pytest.mark.parametrize("length", [70_000, 2_000_000])
def test_a_start_that_is_too_large_is_counted_and_its_end_is_sent(
    client: Client, sent: Sent, length: int
) -> None:
    with client.task("triage", context={"c": "x" * length}):
        pass

    assert starts(sent()) == []
    assert [(end.task_type, end.context) for end in ends(sent())] == [("triage", {})]
    assert client.stats().dropped_oversize == 1


def test_a_string_that_encodes_to_six_times_its_length_is_no_record_too_large(
    client: Client, sent: Sent
) -> None:
    with client.task("triage", context={"c": "\x00" * 20_000}):
        pass

    assert starts(sent()) == []
    assert [end.context for end in ends(sent())] == [{}]


async def test_a_client_is_a_context_too() -> None:
    async with MemoryClient(agent_id="a") as client, client.task("x"):
        pass
    with client.task("y"):
        pass

    assert client.stats().dropped_closed == 2
    assert len(client.events()) == 2


def test_an_exception_passes_untouched_and_is_named(client: Client, sent: Sent) -> None:
    error = KeyError("no such ticket")
    with pytest.raises(KeyError) as caught, client.task("triage"):
        raise error

    assert caught.value is error
    assert error.__context__ is None
    (end,) = ends(sent())
    assert (end.succeeded, end.error_type) == (False, "KeyError")


def test_what_is_no_exception_ends_a_task_too(client: Client, sent: Sent) -> None:
    with pytest.raises(SystemExit), client.task("triage"):
        raise SystemExit(3)

    assert [end.error_type for end in ends(sent())] == ["SystemExit"]


def test_fail_and_cancel(client: Client, sent: Sent) -> None:
    with client.task("a") as failing:
        failing.fail("BadAnswer")
    with client.task("b") as cancelled:
        cancelled.cancel("nobody wants it any more")

    events = sent()
    assert [(e.task_id, e.succeeded, e.error_type) for e in ends(events)] == [
        (failing.task_id, False, "BadAnswer")
    ]
    assert [(e.task_id, e.reason) for e in events if isinstance(e, TaskCancelled)] == [
        (cancelled.task_id, "nobody wants it any more")
    ]
    assert client.stats().dropped == 0


def test_a_decorated_function_is_a_task_at_each_call(client: Client, sent: Sent) -> None:
    @client.task("add", agent_id="calculator")
    def add(a: int, *, b: int) -> int:
        """Add up."""
        return a + b

    assert add(1, b=2) == 3
    assert add(3, b=4) == 7
    assert (add.__name__, add.__doc__) == ("add", "Add up.")
    begun = starts(sent())
    assert len({event.task_id for event in begun}) == 2
    assert [(event.agent_id, event.task_type) for event in begun] == [("calculator", "add")] * 2


async def test_a_decorated_coroutine_is_timed_to_its_end(client: Client, sent: Sent) -> None:
    @client.task("wait")
    async def wait(seconds: float) -> str:
        await asyncio.sleep(seconds)
        return "done"

    @client.task("wait")
    async def fail() -> None:
        raise TimeoutError

    assert await wait(0.05) == "done"
    with pytest.raises(TimeoutError):
        await fail()
    assert await client.aflush(timeout_s=5) == 0
    long, failed = ends(sent())
    assert 0.05 <= long.duration_s < 5
    assert (failed.succeeded, failed.error_type) == (False, "TimeoutError")


async def test_tasks_may_overlap(client: Client, sent: Sent) -> None:
    async def one(name: str) -> None:
        async with client.task(name) as task:
            await asyncio.sleep(0)
            task.set(code_review_iterations=len(name))

    await asyncio.gather(one("a"), one("bb"), one("ccc"))

    assert await client.aflush(timeout_s=5) == 0
    events = sent()
    assert [type(event) for event in events] == [TaskStarted] * 3 + [TaskFinished] * 3
    assert {(e.task_type, e.code_review_iterations) for e in ends(events)} == {
        ("a", 1),
        ("bb", 2),
        ("ccc", 3),
    }


def test_start_and_finish_by_handle_and_by_id(client: Client, sent: Sent) -> None:
    by_handle = client.start("deploy", agent_id="ops")
    client.start("deploy", agent_id="ops", task_id="d-7")
    given_up = client.start("deploy", agent_id="ops")
    client.finish(by_handle, deployment_succeeded=True)
    client.finish("d-7", succeeded=False, error_type=OSError("disk"))
    client.cancel(given_up.task_id, reason="superseded")

    events = sent()
    assert [(e.task_id, e.succeeded, e.error_type) for e in ends(events)] == [
        (by_handle.task_id, True, None),
        ("d-7", False, "OSError"),
    ]
    assert [e.task_id for e in events if isinstance(e, TaskCancelled)] == [given_up.task_id]
    assert {event.agent_id for event in events} == {"ops"}


@pytest.mark.parametrize(
    ("given", "expected_s"),
    [
        ({"finished_at_ms": 1_700_000_004_500}, 4.5),
        ({"finished_at_ms": 1_700_000_004_500, "duration_s": 4.25}, 4.25),
    ],
)
def test_a_replay_brings_its_own_times(
    client: Client, sent: Sent, given: dict[str, int], expected_s: float
) -> None:
    task = client.start("old", task_id="o-1", started_at_ms=1_700_000_000_000)
    client.finish(task, **given)  # type: ignore[arg-type]

    start, end = sent()
    assert isinstance(start, TaskStarted)
    assert isinstance(end, TaskFinished)
    assert start.started_at_ms == end.started_at_ms == 1_700_000_000_000
    assert (end.finished_at_ms, end.duration_s) == (1_700_000_004_500, expected_s)


def test_only_the_first_end_counts(client: Client, sent: Sent) -> None:
    task = client.start("once")
    client.finish(task)
    client.finish(task, succeeded=False)
    client.cancel(task)
    client.finish("never started")

    assert [end.succeeded for end in ends(sent())] == [True]
    assert client.stats().dropped_invalid == 3


def test_a_wall_clock_that_is_set_back_spoils_nothing(
    client: Client, sent: Sent, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = client.start("long")
    monkeypatch.setattr("gnomon.client.task.time_ns", lambda: 1_000_000_000_000_000)
    client.finish(task)
    monkeypatch.undo()

    (end,) = ends(sent())
    assert end.finished_at_ms == end.started_at_ms
    assert 0 < end.duration_s < 60


def test_a_block_entered_again_is_another_task(client: Client, sent: Sent) -> None:
    task = client.task("twice")
    with task:
        task.fail("First")
    first = task.task_id
    with task:
        pass

    events = sent()
    assert [(e.task_id, e.error_type) for e in ends(events)] == [
        (first, "First"),
        (task.task_id, None),
    ]
    assert first != task.task_id


def test_an_event_made_elsewhere(client: Client, sent: Sent) -> None:
    event = TaskCancelled(agent_id="a", task_id="t", cancelled_at_ms=5, reason="r")

    assert client.emit(event) is True
    assert sent() == [event]


def test_forgotten_tasks_do_not_pile_up(client: Client) -> None:
    for number in range(10_050):
        client.start("lost", task_id=f"t{number}")
    invalid = client.stats().dropped_invalid
    client.finish("t49")

    assert client.stats().dropped_invalid == invalid + 1
    assert len(client._open) <= 10_000
