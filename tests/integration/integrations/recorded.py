"""What a driver needs inside a framework's own environment: a client that keeps events."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec

from gnomon.events import TaskEvent


class Recorded:
    """Keeps what it is given, by case, and prints all of it as JSON at the end."""

    def __init__(self) -> None:
        self._events: list[TaskEvent] = []
        self.cases: dict[str, object] = {}

    def emit(self, event: TaskEvent) -> bool:
        """As ``Client.emit``."""
        self._events.append(event)
        return True

    def take(self) -> list[TaskEvent]:
        """What has come since the last time."""
        taken, self._events = self._events, []
        return taken

    @contextmanager
    def case(self, name: str) -> Iterator[None]:
        """Keep what comes meanwhile under ``name``."""
        self.take()
        yield
        self.cases[name] = msgspec.to_builtins(self.take())

    def print(self) -> None:
        """The last line of a driver's output."""
        sys.stdout.write("\n" + json.dumps(self.cases) + "\n")


class Broken:
    """A client that breaks its promise never to raise."""

    def emit(self, event: TaskEvent) -> bool:
        """Raises."""
        raise RuntimeError(f"broken by {event.agent_id}")
