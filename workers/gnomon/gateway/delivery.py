"""Moves the events of a request into the client's buffer, as fast as the broker accepts them."""

import asyncio
from collections.abc import Sequence
from typing import Final, NamedTuple, Protocol

from gnomon.client.stats import Stats
from gnomon.events import TaskEvent

MAX_EVENTS: Final = 100_000
MAX_BYTES: Final = 64 << 20
"""Size of the client's buffer, which holds events while no broker accepts them."""
FULL_SHARE: Final = 0.75
"""Share of the buffer from which on it counts as full: before a client would refuse starts."""
CHUNK: Final = 64
"""Events that are taken at once, each of at most 64 KiB, before the buffer is checked again."""
ROOM_POLL_S: Final = 0.02


class Sender(Protocol):
    """Delivers events: a ``Client`` with a buffer of ``MAX_EVENTS`` and ``MAX_BYTES``."""

    def emit(self, event: TaskEvent) -> bool:
        """Publish ``event``; returns whether it was accepted."""
        ...

    def stats(self) -> Stats:
        """Return counts of all events by their state."""
        ...


class Delivered(NamedTuple):
    """How many events of a request were handled.

    Attributes:
        seen: Number of leading events that were accepted or refused, and need not be sent again.
        refused: Indexes of those among them that the client can never accept.
    """

    seen: int
    refused: Sequence[int]

    @property
    def taken(self) -> int:
        """Number of events that were accepted for delivery."""
        return self.seen - len(self.refused)


class Delivery:
    """Passes events to a client while its buffer has room.

    Args:
        sender: The client.
        wait_s: Longest time that a request waits for room.

    Attributes:
        closing: Whether the gateway is shutting down; requests then no longer wait.
    """

    def __init__(self, sender: Sender, *, wait_s: float) -> None:
        self._sender, self._wait_s = sender, wait_s
        self.closing = False

    @property
    def has_room(self) -> bool:
        """Whether the client's buffer has room for more events."""
        stats = self._sender.stats()
        waiting = stats.buffered + stats.in_flight
        return waiting < FULL_SHARE * MAX_EVENTS and stats.buffered_bytes < FULL_SHARE * MAX_BYTES

    async def deliver(self, events: Sequence[TaskEvent]) -> Delivered:
        """Pass on ``events`` in their order, until all are handled or the time is over."""
        loop = asyncio.get_running_loop()
        deadline_s = loop.time() + self._wait_s
        seen, refused = 0, list[int]()
        while seen < len(events):
            if self.has_room:
                without_room = self._refused_without_room
                for event in events[seen : seen + CHUNK]:
                    if not self._sender.emit(event):
                        if self._refused_without_room > without_room:
                            return Delivered(seen, refused)
                        refused.append(seen)
                    seen += 1
                await asyncio.sleep(0)  # let other requests run
            elif self.closing or loop.time() >= deadline_s:
                break
            else:
                await asyncio.sleep(ROOM_POLL_S)
        return Delivered(seen, refused)

    @property
    def _refused_without_room(self) -> int:
        """Number of events that the client refused for lack of room, not for their content."""
        stats = self._sender.stats()
        return stats.dropped_full + stats.shed_starts + stats.dropped_closed
