"""Keeps the mean of the last values of a stream, and some of these means for a line in a chart."""

from collections import deque
from typing import Final

IN_A_ROW: Final = 200
_NOTED_EVERY: Final = 10
_MOST_POINTS: Final = 240
_ONE: Final = 10**9


class Rolling:
    """Mean of the last ``IN_A_ROW`` values between 0 and 1; exact to 1e-9, in bounded memory.

    Attributes:
        points: Time of the latest value and mean, in the order of time; if there are many, only some
            are kept.
        lowest: The least mean of any ``IN_A_ROW`` values in a row; ``highest`` likewise. ``None`` if
            there are fewer values.
    """

    def __init__(self) -> None:
        self.points: list[tuple[int, float]] = []
        self.lowest: float | None = None
        self.highest: float | None = None
        self._values: deque[int] = deque()
        self._total = self._count = 0
        self._every = _NOTED_EVERY

    def add(self, at_ms: int, value: float) -> None:
        """Add the next value."""
        whole = round(value * _ONE)
        self._values.append(whole)
        self._total += whole
        self._count += 1
        if len(self._values) > IN_A_ROW:
            self._total -= self._values.popleft()
        if len(self._values) < IN_A_ROW:
            return
        mean = self._total / IN_A_ROW / _ONE
        self.lowest = mean if self.lowest is None else min(self.lowest, mean)
        self.highest = mean if self.highest is None else max(self.highest, mean)
        if self._count % self._every == 0:
            self.points.append((at_ms, mean))
        if len(self.points) > _MOST_POINTS:
            self._every *= 2
            self.points = self.points[1::2]
