"""The events of tasks by ``with``, by decorator, and by ``start`` and ``finish``."""

import asyncio
import copy
import math
import pickle
import time
from collections.abc import Callable
from typing import Any

import pytest

from gnomon.client import Client, MemoryClient
from gnomon.events import ContextValue, TaskCancelled, TaskEvent, TaskFinished, TaskStarted

Sent = Callable[[], list[TaskEvent]]


@pytest.fixture
def client(any_client: Client) -> Client:
    """Return the client; every test here runs with ``Client`` and with ``MemoryClient``."""
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
        context["size"] = 4  # the agent may change it: the values at the call are published
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


def test_the_usable_part_of_an_outcome_is_kept(client: Client, sent: Sent) -> None:
    with client.task("triage", context={"a": 1, "b": [2]}, estimate_s=-1.0) as task:  # type: ignore[dict-item]
        task.set(tokens=812, cost=math.nan, parts=[1], note="\ud800", code_review_iterations=-1)  # type: ignore[arg-type]

    start, end = sent()
    assert isinstance(start, TaskStarted)
    assert isinstance(end, TaskFinished)
    assert (start.context, start.estimate_s) == ({"a": 1}, None)
    assert (end.outcome, end.code_review_iterations) == ({"tokens": 812}, None)
    assert client.stats().dropped_invalid == 6
    assert client.stats().accepted == 2


def test_an_outcome_set_after_the_end_is_counted_and_changes_nothing(
    client: Client, sent: Sent
) -> None:
    with client.task("triage") as task:
        task.set(first=1)
    task.set(first=2)
    task.fail("Late")

    assert [(end.outcome, end.succeeded) for end in ends(sent())] == [({"first": 1}, True)]
    assert client.stats().dropped_invalid == 2


def test_an_outcome_set_twice_counts_with_its_last_size(client: Client, sent: Sent) -> None:
    with client.task("triage", context={"lang": "py"}) as task:
        for number in range(20_000):
            task.set(progress=number, note="x" * (number % 1_000))
            task.fail("E" * (number % 200))

    (end,) = ends(sent())
    assert end.context == {"lang": "py"}
    assert end.outcome == {"progress": 19_999, "note": "x" * 999}
    assert end.error_type == "E" * 199
    assert client.stats().dropped == 0


def test_an_end_that_is_small_is_not_encoded_in_the_agents_call(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    large: list[bool] = []
    monkeypatch.setattr(client._intake, "offer_large", lambda *_, start: large.append(start))
    with client.task("small") as task:
        for number in range(1_000):
            task.set(progress=number)
    with client.task("large") as task:
        for number in range(1_000):
            more: Any = {f"progress_{number}": number}
            task.set(**more)

    assert large == [False]


@pytest.mark.parametrize(
    ("context", "outcome", "kept"),
    [
        (30_000, 30_000, {"context", "outcome"}),
        (60_000, 10_000, {"outcome"}),
        (40_000, 40_000, {"outcome"}),
        (100, 70_000, {"context"}),
        (100, 2_000_000, {"context"}),
        (64_000, 70_000, {"context"}),
        (0, 70_000, set()),
    ],
)
def test_an_end_that_is_too_large_is_sent_without_its_largest_payload(
    client: Client, sent: Sent, context: int, outcome: int, kept: set[str]
) -> None:
    given: dict[str, ContextValue] = {"c": "x" * context} if context else {}
    with client.task("triage", context=given) as task:
        task.set(o="y" * outcome, code_review_iterations=2)
        task.fail("BadAnswer")

    (start,), (end,) = starts(sent()), ends(sent())
    assert start.context == given
    assert end.context == (given if "context" in kept else {})
    assert end.outcome == ({"o": "y" * outcome} if "outcome" in kept else {})
    assert (end.error_type, end.code_review_iterations) == ("BadAnswer", 2)
    assert client.stats().dropped_oversize == client.stats().dropped == (len(kept) < 2)


def test_an_end_may_lose_both_its_payloads(client: Client, sent: Sent) -> None:
    with client.task("triage", context={"c": "x" * 70_000}) as task:
        task.set(o="y" * 70_000)

    assert starts(sent()) == []
    assert [(end.context, end.outcome) for end in ends(sent())] == [({}, {})]
    assert client.stats().dropped_oversize == 3  # the start, and both


def test_an_outcome_is_given_by_name_and_by_any_name(client: Client, sent: Sent) -> None:
    with client.task("triage") as task:
        task.set({"a": 1}, 2)  # type: ignore[arg-type]
        task.set(self=1, unusable=2, outcome=3)

    assert [end.outcome for end in ends(sent())] == [{"self": 1, "unusable": 2, "outcome": 3}]
    assert client.stats().dropped_invalid == 1


def test_copies_of_a_client_or_a_task_are_the_same_object(client: Client) -> None:
    task = client.task("triage")
    agent = {"client": client, "task": task, "notes": [1]}
    deep, shallow = copy.deepcopy(agent), copy.copy(client)

    assert (deep["client"], deep["task"], shallow) == (client, task, client)
    assert deep["notes"] is not agent["notes"]
    for held in (client, task):
        with pytest.raises(TypeError, match=r"make a client in each, with Client\.from_env\(\)"):
            pickle.dumps(held)


@pytest.mark.parametrize("length", [70_000, 2_000_000])
def test_a_start_that_is_too_large_is_counted_and_its_end_is_sent(
    client: Client, sent: Sent, length: int
) -> None:
    with client.task("triage", context={"c": "x" * length}):
        pass

    assert starts(sent()) == []
    assert [(end.task_type, end.context) for end in ends(sent())] == [("triage", {})]
    assert client.stats().dropped_oversize == 2  # the start, and the context of the end


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


def test_a_base_exception_ends_a_task_too(client: Client, sent: Sent) -> None:
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
def test_a_replay_gives_its_own_times(
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


def test_tasks_that_are_never_ended_do_not_accumulate(client: Client) -> None:
    for number in range(10_050):
        client.start("lost", task_id=f"t{number}")
    invalid = client.stats().dropped_invalid
    client.finish("t49")

    assert client.stats().dropped_invalid == invalid + 1
    assert len(client._open) <= 10_000
