"""What a driver needs inside a framework's own environment: a client that keeps events."""

import json
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec

from gnomon.events import TaskEvent


class Recorded:
    """Keeps what it is given and from which threads, by case; prints all of it as JSON."""

    def __init__(self) -> None:
        self._events: list[TaskEvent] = []
        self.threads: set[str] = set()
        self.cases: dict[str, object] = {}

    def emit(self, event: TaskEvent) -> bool:
        """As ``Client.emit``."""
        self._events.append(event)
        self.threads.add(threading.current_thread().name)
        return True

    def take(self) -> list[TaskEvent]:
        """What has come since the last time."""
        taken, self._events, self.threads = self._events, [], set()
        return taken

    @contextmanager
    def case(self, name: str) -> Iterator[None]:
        """Keep what comes meanwhile under ``name``."""
        self.take()
        yield
        self.cases[f"threads of {name}"] = sorted(self.threads)
        self.cases[name] = msgspec.to_builtins(self.take())

    def print(self) -> None:
        """The last line of a driver's output."""
        sys.stdout.write("\n" + json.dumps(self.cases) + "\n")


class Broken:
    """A client that breaks its promise never to raise."""

    def emit(self, event: TaskEvent) -> bool:
        """Raises."""
        raise RuntimeError(f"broken by {event.agent_id}")
