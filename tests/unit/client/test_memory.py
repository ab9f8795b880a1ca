"""``MemoryClient``: the client for the tests of agents."""

import threading
from typing import assert_type

from gnomon.client import Client, MemoryClient
from gnomon.events import TaskCancelled, TaskEvent, TaskFinished, TaskStarted


def test_it_has_every_public_name_of_a_client() -> None:
    public = {name for name in dir(Client) if not name.startswith("_")}

    assert isinstance(MemoryClient(), Client)
    assert {n for n in dir(MemoryClient) if not n.startswith("_")} == public | {"events", "clear"}


def test_events_come_by_kind() -> None:
    client = MemoryClient(agent_id="a")
    with client.task("one"):
        pass
    client.cancel(client.start("two"), "not wanted")

    assert_type(client.events(), list[TaskEvent])
    assert_type(client.events(TaskFinished), list[TaskFinished])
    assert [e.task_type for e in client.events(TaskStarted)] == ["one", "two"]
    assert [e.task_type for e in client.events(TaskFinished)] == ["one"]
    assert [e.reason for e in client.events(TaskCancelled)] == ["not wanted"]
    assert len(client.events()) == 4


def test_cleared_events_are_forgotten_but_stay_counted() -> None:
    client = MemoryClient(agent_id="a")
    with client.task("one"):
        pass
    client.clear()
    with client.task("two"):
        pass

    assert [e.task_type for e in client.events(TaskFinished)] == ["two"]
    assert client.stats().delivered == 4


def test_it_is_bounded_as_a_client_is() -> None:
    client = MemoryClient(agent_id="a", max_events=10)
    for _ in range(12):
        client.start("x")
    stats = client.stats()

    assert (stats.accepted, stats.shed_starts) == (8, 4)
    assert len(client.events()) == 8


def test_a_closed_client_keeps_its_events() -> None:
    with MemoryClient(agent_id="a") as client, client.task("before"):
        pass
    with client.task("after"):
        pass

    assert [e.task_type for e in client.events(TaskFinished)] == ["before"]
    assert client.stats().dropped_closed == 2


def test_no_thread_runs_and_variables_are_not_asked_for_brokers() -> None:
    before = threading.active_count()
    client = MemoryClient.from_env({"GNOMON_BROKERS": "one:9092", "GNOMON_AGENT_ID": "env"})
    with client.task("x"):
        pass

    assert threading.active_count() == before
    assert {event.agent_id for event in client.events()} == {"env"}
    assert client.enabled
    assert client.flush() == client.close() == 0
