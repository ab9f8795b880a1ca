"""A client for tests of agents: what it is told stays in memory."""

import os
import threading
from collections.abc import Mapping
from typing import Self, TypeVar, overload

from gnomon import codec
from gnomon.client.client import Client
from gnomon.client.config import ClientConfig
from gnomon.client.outlet import Outlet
from gnomon.events import TaskCancelled, TaskEvent, TaskFinished, TaskStarted

E = TypeVar("E", TaskStarted, TaskFinished, TaskCancelled)
_EVERYTHING = 1 << 60


class _MemoryOutlet(Outlet):
    """Delivers to a list, when somebody looks."""

    def __init__(self, config: ClientConfig) -> None:
        super().__init__(config)
        self.delivered: list[TaskEvent] = []
        self._lock = threading.RLock()

    def _wake(self) -> None:
        """There is no thread."""

    def _live(self) -> None:
        """There is nothing to end with the process."""

    def collect(self) -> None:
        """Deliver what waits, as a broker would have it."""
        with self._lock:
            records = self.buffer.take(max_events=_EVERYTHING, max_bytes=_EVERYTHING)
            self.delivered += [codec.decode_task_event(record.value) for record in records]
            self.buffer.settle(records, delivered=True)

    def hurry(self) -> None:
        self.collect()

    def begin_close(self) -> float:
        self._shut()
        return 0.0

    def end_close(self, timeout_s: float) -> int:
        self.collect()
        return self.buffer.pending


class MemoryClient(Client):
    """A ``Client`` that keeps events instead of sending them, for the tests of an agent.

    It checks, counts and refuses as ``Client`` does; nothing connects and no thread runs. Events
    come as the workers would read them.

    Args:
        agent_id: The agent of tasks that name none.
        max_events: Most events that wait to be looked at.
        max_bytes: Most bytes of those.
    """

    def __init__(
        self,
        *,
        agent_id: str | None = None,
        max_events: int = 1_000_000,
        max_bytes: int = 1 << 30,
    ) -> None:
        config = ClientConfig(
            brokers=("memory:1",),
            agent_id="" if agent_id is None else agent_id,
            max_events=max_events,
            max_bytes=max_bytes,
        )
        self._memory = _MemoryOutlet(config)
        self._publish(self._memory, config.agent_id)

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ) -> Self:
        """One whose agent is ``GNOMON_AGENT_ID``; nothing else is looked at."""
        return cls(agent_id=environ.get("GNOMON_AGENT_ID") or None)

    @overload
    def events(self) -> list[TaskEvent]: ...

    @overload
    def events(self, kind: type[E]) -> list[E]: ...

    def events(self, kind: type[E] | None = None) -> list[TaskEvent] | list[E]:
        """All events so far, or those of one kind, in the order they were published."""
        self._memory.collect()
        found = list(self._memory.delivered)
        return found if kind is None else [event for event in found if isinstance(event, kind)]

    def clear(self) -> None:
        """Forget the events so far; the counts stay."""
        self._memory.collect()
        self._memory.delivered.clear()
