"""Unknown keywords are counted and never raise; arguments may be given by name."""

from collections.abc import Callable
from typing import Any

import pytest
from tests.unit.client.task_events import end

from gnomon.client import Client, MemoryClient
from gnomon.events import TaskCancelled, TaskEvent, TaskFinished, TaskStarted


@pytest.fixture
def client(any_client: Client) -> Client:
    """Return the client; every test here runs with ``Client`` and with ``MemoryClient``."""
    return any_client


Published = Callable[[], list[TaskEvent]]
"""Returns the events that a client has published."""


COLLISIONS = ["self", "cls", "this is no name", "task", "task_type", "event", "timeout_s", "kind"]


@pytest.mark.parametrize("word", COLLISIONS)
async def test_a_keyword_of_any_name_is_counted_and_ignored(client: Client, word: str) -> None:
    """So is the name of an argument that was given by position, too."""
    odd: dict[str, Any] = {word: "odd"}
    with client.task("x", **odd), client.task("y", **odd):
        pass
    client.finish(client.start("x", **odd), **odd)
    client.cancel(client.start("x", **odd), "for a reason", **odd)
    assert client.emit(end(), **odd)
    client.stats(**odd)
    assert client.flush(5, **odd) == 0
    assert await client.aflush(5, **odd) == 0
    client.traced("x", **odd)
    counted = 11 if word in {"self", "task"} else 10  # any other is an outcome
    if isinstance(client, MemoryClient):
        client.events(TaskStarted, **odd)
        client.clear(**odd)
        counted += 2
    assert client.close(5, **odd) == 0

    stats = client.stats()
    assert (stats.delivered, stats.dropped_invalid) == (9, counted + 1)


@pytest.mark.parametrize("word", COLLISIONS)
def test_a_keyword_unknown_to_a_task_is_counted_and_ignored(
    client: Client, published: Published, word: str
) -> None:
    odd: dict[str, Any] = {word: "odd"}
    task = client.task("x").begin(**odd)
    task.link(f"00-{'a' * 32}-{'b' * 16}-01", **odd)
    task.fail("Broken", **odd)
    task.end(**odd)
    client.start("x").cancel("why", **odd)
    client.flush(5)

    assert client.stats().dropped_invalid == 5
    assert [e.error_type for e in published() if isinstance(e, TaskFinished)] == ["Broken"]
    assert [e.reason for e in published() if isinstance(e, TaskCancelled)] == ["why"]


async def test_every_argument_may_be_given_by_name(client: Client, published: Published) -> None:
    named: dict[str, Any] = {"task": client.start(task_type="x")}
    client.finish(**named, note="n")
    client.cancel(task=client.start(task_type="y"), reason="why")
    with client.task(task_type="z"):
        pass
    assert client.emit(event=end())

    @client.traced(name="named")
    def function() -> None: ...

    function()
    assert client.flush(timeout_s=5) == await client.aflush(timeout_s=5) == 0

    types = [e.task_type for e in published() if isinstance(e, TaskStarted)]
    assert types == ["x", "y", "z", "named"]
    assert [e.reason for e in published() if isinstance(e, TaskCancelled)] == ["why"]
    assert client.close(timeout_s=5) == 0
    assert client.stats().dropped_invalid == 0


@pytest.mark.parametrize("word", ["self", "brokers", "environ", "cls", "no such"])
def test_a_keyword_unknown_to_a_constructor_is_counted_and_ignored(memory: Any, word: str) -> None:
    odd: dict[str, Any] = {word: "odd"}
    environ = {"GNOMON_BROKERS": "one:9092", "GNOMON_AGENT_ID": "a"}
    clients = [
        Client("one:9092", **odd),
        Client.from_env(environ, **odd),
        MemoryClient(**odd),
        MemoryClient.from_env(environ, **odd),
    ]
    for client in clients:
        assert client.enabled
        assert client.stats().dropped_invalid == 1
        client.close()


async def test_a_call_without_its_argument_is_counted(client: Client) -> None:
    with client.task():
        pass
    client.start()
    client.finish()
    client.cancel()
    assert not client.emit()

    assert client.stats().accepted == 0
    assert client.stats().dropped_invalid >= 5
