"""An agent behind a ShadowLearner is the same agent, and its tasks are published."""

import asyncio
import copy
import enum
import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from gnomon.client import MemoryClient, ShadowLearner
from gnomon.events import TaskFinished, TaskStarted


class Kind(enum.Enum):
    REVIEW = "review"


@dataclass
class Ticket:
    type: Any
    text: str = "secret words"
    size: int = 3


class Plain:
    __slots__ = ()


class Agent:
    """An agent that returns its task, or raises."""

    temperature = 0.5

    def __init__(self) -> None:
        self.seen: list[Any] = []

    def execute_task(self, task: Any, *, fail: BaseException | None = None) -> Any:
        self.seen.append(task)
        if fail is not None:
            raise fail
        return {"for": task}

    def other(self) -> str:
        return "other"


class AsyncAgent:
    async def execute_task(self, task: Any) -> Any:
        await asyncio.sleep(0.02)
        if task == "bad":
            raise TimeoutError
        return task


class LateAgent:
    """An agent whose ``def`` returns an awaitable."""

    def execute_task(self, task: Any) -> Any:
        return AsyncAgent().execute_task(task)


def kinds(client: MemoryClient) -> list[tuple[str, bool, str | None]]:
    return [(e.task_type, e.succeeded, e.error_type) for e in client.events(TaskFinished)]


def test_the_result_is_the_very_one() -> None:
    client, task = MemoryClient(), {"type": "triage", "text": "secret words"}
    agent = Agent()
    learner = ShadowLearner("router", agent, client)

    result = learner.execute_task(task)

    assert result == {"for": task}
    assert result["for"] is task
    assert agent.seen == [task]
    (end,) = client.events(TaskFinished)
    assert (end.agent_id, end.task_type, end.succeeded) == ("router", "triage", True)


def test_an_exception_is_the_very_one() -> None:
    client, error = MemoryClient(), KeyError("no")
    with pytest.raises(KeyError) as caught:
        ShadowLearner("router", Agent(), client).execute_task({"type": "triage"}, fail=error)

    assert caught.value is error
    assert (error.__cause__, error.__context__) == (None, None)
    assert kinds(client) == [("triage", False, "KeyError")]


@pytest.mark.parametrize("agent", [AsyncAgent(), LateAgent()], ids=["async def", "def"])
async def test_an_awaitable_is_timed_to_its_end(agent: Any) -> None:
    client, task = MemoryClient(), {"type": "ask"}
    learner = ShadowLearner("router", agent, client)

    assert await learner.execute_task(task) is task
    with pytest.raises(TimeoutError):
        await learner.execute_task("bad")

    assert kinds(client) == [("ask", True, None), ("str", False, "TimeoutError")]
    assert all(0.02 <= end.duration_s < 5 for end in client.events(TaskFinished))


def test_every_other_attribute_is_the_agents() -> None:
    agent = Agent()
    learner = ShadowLearner("router", agent, MemoryClient())
    learner.temperature = 0.9
    learner.note = "new"

    assert (agent.temperature, agent.note) == (0.9, "new")  # type: ignore[attr-defined]
    assert learner.other() == "other"
    assert learner.seen is agent.seen
    assert {"other", "seen", "execute_task"} <= set(dir(learner))
    del learner.note
    with pytest.raises(AttributeError, match="note"):
        _ = learner.note
    assert copy.copy(learner).seen is agent.seen


@pytest.mark.parametrize(
    ("task", "expected"),
    [
        ({"type": "triage", "n": 3}, "triage"),
        ({"kind": "triage"}, "dict"),
        ({"type": ["triage"]}, "dict"),
        ({"type": ""}, "dict"),
        ({"type": "t" * 300}, "t" * 256),
        ({"type": Kind.REVIEW}, "review"),
        (Ticket("deploy"), "deploy"),
        (Ticket(None), "Ticket"),
        (Plain(), "Plain"),
        ("secret words", "str"),
        (None, "NoneType"),
    ],
)
def test_a_task_is_named_after_its_type(task: Any, expected: str) -> None:
    client = MemoryClient()
    ShadowLearner("router", Agent(), client).execute_task(task)

    assert [event.task_type for event in client.events(TaskStarted)] == [expected]
    assert client.stats().dropped == 0


@pytest.mark.parametrize(
    ("task", "facts"),
    [
        ({"type": "a", "text": "secret words", "n": 3}, {"fields": 3, "characters": 13}),
        (Ticket("deploy"), {"fields": 3, "characters": 18}),
        ("secret words", {"characters": 12}),
        (Plain(), {}),
        (7, {}),
    ],
)
def test_no_text_of_a_task_is_published(task: Any, facts: dict[str, int]) -> None:
    client = MemoryClient()
    ShadowLearner("router", Agent(), client).execute_task(task)

    (start,) = client.events(TaskStarted)
    assert start.context == facts
    assert "secret" not in repr(client.events())


def test_a_hostile_task_reaches_the_agent() -> None:
    class Hostile(dict[str, Any]):
        def get(self, *_: Any) -> Any:
            raise RuntimeError("get")

        def values(self) -> Any:
            raise RuntimeError("values")

    client, agent = MemoryClient(), Agent()
    ShadowLearner("router", agent, client).execute_task(Hostile())

    assert len(agent.seen) == 1
    assert [name.rpartition(".")[2] for name, _, _ in kinds(client)] == ["Hostile"]


def test_an_endless_task_reaches_the_agent() -> None:
    class Endless(Mapping[str, Any]):
        def __getitem__(self, name: str) -> str:
            return "word"

        def __iter__(self) -> Iterator[str]:
            return map(str, itertools.count())

        def __len__(self) -> int:
            return 0

    client, agent = MemoryClient(), Agent()
    ShadowLearner("router", agent, client).execute_task(Endless())

    assert len(agent.seen) == 1
    (start,) = client.events(TaskStarted)
    assert start.context == {"fields": 1_000, "characters": 4_000}


def test_a_copy_wraps_a_copy_of_the_agent() -> None:
    class Copied(Agent):
        def __deepcopy__(self, memo: object) -> "Copied":
            return Copied()

    client, agent = MemoryClient(), Copied()
    learner = copy.deepcopy(ShadowLearner("router", agent, client))
    learner.execute_task("x")

    assert agent.seen == []
    assert learner.seen == ["x"]
    assert kinds(client) == [("str", True, None)]
