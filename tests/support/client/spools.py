"""A spool in memory, with room for a number of events."""

from collections.abc import Sequence

from gnomon.client.records import Position, Record


class ListSpool:
    """Keeps the waiting events, oldest first; ``synced`` counts the calls of ``sync``."""

    def __init__(self, *, max_events: int) -> None:
        self.max_events = max_events
        self.last_error: str | None = None
        self.synced = 0
        self._waiting: list[tuple[int, Record]] = []
        self._written = 0

    def append(self, values: Sequence[Record]) -> int:
        taken = values[: max(0, self.max_events - len(self._waiting))]
        for record in taken:
            self._written += 1
            self._waiting.append((self._written, record))
        return len(taken)

    def sync(self) -> None:
        self.synced += 1

    def read(self, max_events: int) -> Sequence[tuple[Position, Record]]:
        return [(Position("list", end), record) for end, record in self._waiting[:max_events]]

    def settle(self, upto: Position) -> None:
        self._waiting = [(end, record) for end, record in self._waiting if end > upto.end]

    def pending(self) -> int:
        return len(self._waiting)

    def lost(self) -> int:
        return 0

    def close(self) -> None:
        self.sync()
