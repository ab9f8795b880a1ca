"""From a request to the client's buffer, as fast as the broker takes it."""

import asyncio
from collections.abc import Sequence
from typing import Final, NamedTuple, Protocol

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


class Delivered(NamedTuple):
    """How far a request came.

    Attributes:
        seen: Events that need not be sent again, the first of them.
        refused: Places of those among them that the sender does not take, now or ever.
    """

    seen: int
    refused: Sequence[int]

    @property
    def taken(self) -> int:
        """How many are delivered as soon as can be."""
        return self.seen - len(self.refused)


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

    async def deliver(self, events: Sequence[TaskEvent]) -> Delivered:
        """Hand on ``events`` in their order until all are seen or time is up."""
        loop = asyncio.get_running_loop()
        deadline_s = loop.time() + self._wait_s
        seen, refused = 0, list[int]()
        while seen < len(events):
            if self.has_room:
                turned_away = self._turned_away
                for event in events[seen : seen + CHUNK]:
                    if not self._sender.emit(event):
                        if self._turned_away > turned_away:
                            return Delivered(seen, refused)
                        refused.append(seen)
                    seen += 1
                await asyncio.sleep(0)
            elif self.closing or loop.time() >= deadline_s:
                break
            else:
                await asyncio.sleep(LOOK_EVERY_S)
        return Delivered(seen, refused)

    @property
    def _turned_away(self) -> int:
        """Events that the sender refused for want of room, not for what they are."""
        stats = self._sender.stats()
        return stats.dropped_full + stats.shed_starts + stats.dropped_closed
