"""A client for the tests of agents: it keeps its events in memory."""

import os
import threading
from collections.abc import Mapping
from typing import Self, TypedDict, TypeVar, Unpack, overload

from gnomon import codec
from gnomon.client.capture.intake import Intake
from gnomon.client.capture.leniency import EnvironKeyword, NoKeywords, log_disabled, take_argument
from gnomon.client.client import Client
from gnomon.client.config import ClientConfig, text
from gnomon.client.exposures import Exposures
from gnomon.events import Exposure, TaskCancelled, TaskEvent, TaskFinished, TaskStarted

E = TypeVar("E", TaskStarted, TaskFinished, TaskCancelled)
_EVERYTHING = 1 << 60


class KindKeyword(TypedDict, total=False):
    """``kind`` of ``MemoryClient.events`` given by name."""

    kind: type[TaskEvent]


class _MemoryIntake(Intake):
    """Delivers to a list, whenever the list is read."""

    def __init__(self, config: ClientConfig) -> None:
        super().__init__(config)
        self.delivered: list[TaskEvent | Exposure] = []
        self._lock = threading.RLock()

    def _wake(self) -> None:
        """Wake no thread: there is none."""

    def _register(self) -> None:
        """Register no hooks: nothing has to end with the process."""

    def collect(self) -> None:
        """Deliver the waiting events as a broker and a reader would."""
        with self._lock:
            for record in self.buffer.take(max_events=_EVERYTHING, max_bytes=_EVERYTHING):
                try:
                    self.delivered.append(codec.decode_published(record.value))
                except Exception:  # the test's agent goes on, as with a broker
                    self.buffer.settle([record], delivered=False)
                else:
                    self.buffer.settle([record], delivered=True)

    def expedite(self) -> None:
        self.collect()

    def begin_close(self) -> float:
        self._shut()
        return 0.0

    def end_close(self, timeout_s: float) -> int:
        self.collect()
        return self.buffer.pending


class MemoryExposures(Exposures):
    """Keeps exposures instead of sending them."""

    def __init__(self, intake: _MemoryIntake) -> None:
        super().__init__(intake)
        self._memory = intake

    def events(self) -> list[Exposure]:
        """Return all exposures so far, in the order they were published."""
        self._memory.collect()
        return [event for event in self._memory.delivered if isinstance(event, Exposure)]


class MemoryClient(Client):
    """A ``Client`` that keeps events instead of sending them, for the tests of an agent.

    It checks, counts and refuses as ``Client`` does; nothing connects and no thread runs. Events are
    returned as the workers would read them. A wrong argument makes a client that does nothing, and
    an unknown keyword is counted, as in ``Client``.

    Args:
        agent_id: The agent of tasks that name none.
        max_events: Most events that wait to be read.
        max_bytes: Most bytes of waiting events.
        unknown: Counted as invalid and ignored.
    """

    def __init__(
        self,
        /,
        *,
        agent_id: str | None = None,
        max_events: int = 1_000_000,
        max_bytes: int = 1 << 30,
        **unknown: Unpack[NoKeywords],
    ) -> None:
        try:
            config = ClientConfig(
                brokers=("memory:1",),
                agent_id="" if agent_id is None else agent_id,
                max_events=max_events,
                max_bytes=max_bytes,
            )
        except Exception as error:  # the agent's edge: as in ``Client``
            log_disabled(error)
            config = ClientConfig()
        self._keep_in_memory(config)
        self._ignore(unknown)

    def _keep_in_memory(self, config: ClientConfig) -> None:
        """Keep events from now on; none if ``config`` has no brokers."""
        self._memory = _MemoryIntake(config)
        self._publish_through(self._memory, config.agent_id)
        self._kept_exposures = MemoryExposures(self._memory.beside())

    @classmethod
    def from_env(
        cls, environ: Mapping[str, str] = os.environ, /, **unknown: Unpack[EnvironKeyword]
    ) -> Self:
        """Make a client whose agent is ``GNOMON_AGENT_ID``; no other variable is read."""
        environ = take_argument(environ, os.environ, "environ", unknown)
        made = cls()
        try:
            agent_id = text(environ.get("GNOMON_AGENT_ID", ""), "GNOMON_AGENT_ID")
        except Exception as error:  # the agent's edge: as in ``Client``
            log_disabled(error)
            made._keep_in_memory(ClientConfig())
        else:
            made._agent_id = agent_id
        made._ignore(unknown)
        return made

    @overload
    def events(self, kind: None = None, /, **unknown: Unpack[KindKeyword]) -> list[TaskEvent]: ...

    @overload
    def events(self, kind: type[E], /) -> list[E]: ...

    def events(
        self, kind: type[E] | None = None, /, **unknown: Unpack[KindKeyword]
    ) -> list[TaskEvent] | list[E]:
        """Return all events so far, or those of one kind, in the order they were published."""
        kind = take_argument(kind, None, "kind", unknown)
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

    def exposures(self, /, **unknown: Unpack[NoKeywords]) -> MemoryExposures:
        """Return what keeps exposures of experiments, for a test to look at with ``events``."""
        self._ignore(unknown)
        return self._kept_exposures

    def clear(self, /, **unknown: Unpack[NoKeywords]) -> None:
        """Forget the events so far; the counts stay."""
        self._ignore(unknown)
        self._memory.collect()
        self._memory.delivered.clear()
