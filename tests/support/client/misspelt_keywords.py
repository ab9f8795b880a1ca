"""Calls of the client as an agent may write them: misspelt ones, which a type checker must report.

Never run. ``test_typing`` has mypy check this file without its ``type: ignore`` comments.
"""

from typing import Any

from gnomon import Client, MemoryClient
from gnomon.events import TaskFinished


def misspelt(client: Client, value: Any) -> None:
    """Each call has a keyword that its method does not know."""
    Client("host:9092", topic_prefx="a-")  # type: ignore[call-arg]
    Client.from_env(environment={})  # type: ignore[call-arg]
    client.task("triage", agent="router")  # type: ignore[call-arg]
    client.task("triage", agent=value)  # type: ignore[call-arg]
    client.start("triage", estimate=2.0)  # type: ignore[call-arg]
    client.cancel("id", because="late")  # type: ignore[call-arg]
    client.emit(evnt=None)  # type: ignore[call-arg]
    client.stats(verbose=True)  # type: ignore[call-arg]
    client.flush(timeout=1.0)  # type: ignore[call-arg]
    client.close(timeout=1.0)  # type: ignore[call-arg]
    client.traced("triage", agent="router")  # type: ignore[call-overload]
    task = client.task("triage")
    task.begin(started_at=0)  # type: ignore[call-arg]
    task.fail(error="Timeout")  # type: ignore[call-arg]
    task.link(trace_parent="")  # type: ignore[call-arg]
    task.cancel(because="late")  # type: ignore[call-arg]
    task.end(duration=1.0)  # type: ignore[call-arg]


async def misspelt_in_a_coroutine(client: Client) -> None:
    """The same for what has to be awaited."""
    await client.aflush(timeout=1.0)  # type: ignore[call-arg]


def misspelt_in_a_test(memory: MemoryClient) -> None:
    """The same for the client of an agent's tests."""
    MemoryClient(agent="router")  # type: ignore[call-arg]
    MemoryClient.from_env(environment={})  # type: ignore[call-arg]
    memory.events(type=TaskFinished)  # type: ignore[call-overload]
    memory.clear(everything=True)  # type: ignore[call-arg]


def well_spelt(client: Client, memory: MemoryClient) -> list[TaskFinished]:
    """Arguments by position or by name: nothing to report."""
    Client(brokers="host:9092", topic_prefix="a-")
    Client.from_env(environ={})
    client.emit(event=None)
    client.cancel(task=client.start(task_type="triage"), reason="late")
    client.finish("id", succeeded=False, tokens=812)
    client.flush(timeout_s=1.0)
    client.close(timeout_s=None)

    @client.traced(name="triage", agent_id="router")
    def function(text: str) -> str:
        return text

    function("")
    return memory.events(TaskFinished)
