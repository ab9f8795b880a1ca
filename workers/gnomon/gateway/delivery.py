"""From a request to the client's buffer, as fast as the broker takes it."""

import asyncio
from collections.abc import Sequence
from typing import Final, Protocol

from gnomon.client.stats import Stats
from gnomon.events import TaskEvent

MAX_EVENTS: Final = 100_000
MAX_BYTES: Final = 64 << 20
"""How much the gateway's client keeps while no broker takes it."""
FULL_AT: Final = 0.75
"""Below the fullness at which a client refuses starts, so that it never has to refuse."""
CHUNK: Final = 64
"""Events between two looks at the room, each of at most 64 KiB; then other requests get a turn."""
LOOK_EVERY_S: Final = 0.02


class Sender(Protocol):
    """What delivers: a ``Client`` made for ``MAX_EVENTS`` and ``MAX_BYTES``."""

    def emit(self, event: TaskEvent) -> bool:
        """Publish ``event``; returns whether it was accepted."""
        ...

    def stats(self) -> Stats:
        """What became of every event so far."""
        ...


class Delivery:
    """Hands events on while there is room.

    Args:
        sender: Whom to.
        wait_s: How long a request may wait for room.
    """

    def __init__(self, sender: Sender, *, wait_s: float) -> None:
        self._sender, self._wait_s = sender, wait_s
        self.closing = False

    @property
    def has_room(self) -> bool:
        """Whether the next events would be taken."""
        stats = self._sender.stats()
        waiting = stats.buffered + stats.in_flight
        return waiting < FULL_AT * MAX_EVENTS and stats.buffered_bytes < FULL_AT * MAX_BYTES

    async def deliver(self, events: Sequence[TaskEvent]) -> int:
        """Hand on ``events`` in their order; returns how many were taken before time was up."""
        loop = asyncio.get_running_loop()
        deadline_s = loop.time() + self._wait_s
        taken = 0
        while taken < len(events):
            if self.has_room:
                for event in events[taken : taken + CHUNK]:
                    if not self._sender.emit(event):
                        return taken
                    taken += 1
                await asyncio.sleep(0)
            elif self.closing or loop.time() >= deadline_s:
                break
            else:
                await asyncio.sleep(LOOK_EVERY_S)
        return taken
