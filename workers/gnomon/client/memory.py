"""A client for tests of agents: what it is told stays in memory."""

import os
import threading
from collections.abc import Mapping
from typing import Self, TypeVar, overload

from gnomon import codec
from gnomon.client.capture.intake import Outlet
from gnomon.client.client import Client, given, say_why
from gnomon.client.config import ClientConfig, text
from gnomon.client.exposures import Exposures
from gnomon.events import Exposure, TaskCancelled, TaskEvent, TaskFinished, TaskStarted

E = TypeVar("E", TaskStarted, TaskFinished, TaskCancelled)
_EVERYTHING = 1 << 60


class _MemoryOutlet(Outlet):
    """Delivers to a list, when somebody looks."""

    def __init__(self, config: ClientConfig) -> None:
        super().__init__(config)
        self.delivered: list[TaskEvent | Exposure] = []
        self._lock = threading.RLock()

    def _wake(self) -> None:
        """There is no thread."""

    def _live(self) -> None:
        """There is nothing to end with the process."""

    def collect(self) -> None:
        """Deliver what waits, as a broker would have it."""
        with self._lock:
            for record in self.buffer.take(max_events=_EVERYTHING, max_bytes=_EVERYTHING):
                try:
                    self.delivered.append(codec.decode_published(record.value))
                except Exception:  # the test's agent goes on, as with a broker
                    self.buffer.settle([record], delivered=False)
                else:
                    self.buffer.settle([record], delivered=True)

    def hurry(self) -> None:
        self.collect()

    def begin_close(self) -> float:
        self._shut()
        return 0.0

    def end_close(self, timeout_s: float) -> int:
        self.collect()
        return self.buffer.pending


class MemoryExposures(Exposures):
    """Keeps exposures instead of sending them."""

    def __init__(self, outlet: _MemoryOutlet) -> None:
        super().__init__(outlet)
        self._memory = outlet

    def events(self) -> list[Exposure]:
        """All exposures so far, in the order they were published."""
        self._memory.collect()
        return [event for event in self._memory.delivered if isinstance(event, Exposure)]


class MemoryClient(Client):
    """A ``Client`` that keeps events instead of sending them, for the tests of an agent.

    It checks, counts and refuses as ``Client`` does; nothing connects and no thread runs. Events
    come as the workers would read them. What cannot be used does as little harm as in ``Client``:
    an argument makes a client that does nothing, a keyword that is not known is counted.

    Args:
        agent_id: The agent of tasks that name none.
        max_events: Most events that wait to be looked at.
        max_bytes: Most bytes of those.
        unknown: Counted as invalid and ignored.
    """

    def __init__(
        self,
        /,
        *,
        agent_id: str | None = None,
        max_events: int = 1_000_000,
        max_bytes: int = 1 << 30,
        **unknown: object,
    ) -> None:
        try:
            config = ClientConfig(
                brokers=("memory:1",),
                agent_id="" if agent_id is None else agent_id,
                max_events=max_events,
                max_bytes=max_bytes,
            )
        except Exception as error:  # the agent's edge: as in ``Client``
            say_why(error)
            config = ClientConfig()
        self._keep(config)
        self._ignore(unknown)

    def _keep(self, config: ClientConfig) -> None:
        """Keep what is published from now on, or, without brokers, nothing."""
        self._memory = _MemoryOutlet(config)
        self._publish(self._memory, config.agent_id)
        self._kept_exposures = MemoryExposures(self._memory.beside())

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ, /, **unknown: object) -> Self:
        """One whose agent is ``GNOMON_AGENT_ID``; nothing else is looked at."""
        environ = given(environ, os.environ, "environ", unknown)
        made = cls()
        try:
            agent_id = text(environ.get("GNOMON_AGENT_ID", ""), "GNOMON_AGENT_ID")
        except Exception as error:  # the agent's edge: as in ``Client``
            say_why(error)
            made._keep(ClientConfig())
        else:
            made._agent_id = agent_id
        made._ignore(unknown)
        return made

    @overload
    def events(self, kind: None = None, /, **unknown: object) -> list[TaskEvent]: ...

    @overload
    def events(self, kind: type[E], /, **unknown: object) -> list[E]: ...

    def events(
        self, kind: type[E] | None = None, /, **unknown: object
    ) -> list[TaskEvent] | list[E]:
        """All events so far, or those of one kind, in the order they were published."""
        kind = given(kind, None, "kind", unknown)
        self._ignore(unknown)
        self._memory.collect()
        found = [event for event in self._memory.delivered if not isinstance(event, Exposure)]
        if kind is None:
            return found
        try:
            return [event for event in found if isinstance(event, kind)]
        except Exception:  # the agent's edge: it is no kind of event
            self._memory.refuse("there is no such kind of event")
            return []

    def exposures(self, /, **unknown: object) -> MemoryExposures:
        """What keeps exposures of experiments, for a test to look at: see its ``events``."""
        self._ignore(unknown)
        return self._kept_exposures

    def clear(self, /, **unknown: object) -> None:
        """Forget the events so far; the counts stay."""
        self._ignore(unknown)
        self._memory.collect()
        self._memory.delivered.clear()
