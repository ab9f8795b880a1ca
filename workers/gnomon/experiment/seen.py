"""Remembers the units that were exposed in this process, in bounded memory."""

from typing import Final

MOST_UNITS: Final = 100_000


class Seen:
    """A set of units that forgets the older half when it is full.

    Args:
        most: Most units that are remembered.
    """

    __slots__ = ("_half", "_newer", "_older")

    def __init__(self, most: int = MOST_UNITS) -> None:
        self._half = max(1, most // 2)
        self._newer: set[str] = set()
        self._older: set[str] = set()

    def __contains__(self, unit: str) -> bool:
        return unit in self._newer or unit in self._older

    def __len__(self) -> int:
        return len(self._newer) + len(self._older)

    def add(self, unit: str) -> None:
        """Remember ``unit``."""
        if len(self._newer) >= self._half:
            self._older, self._newer = self._newer, set()
        self._newer.add(unit)
