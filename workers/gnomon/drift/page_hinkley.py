"""Implements the Page-Hinkley test: a cumulative sum that rises when the mean of a stream rises.

E. S. Page, "Continuous Inspection Schemes", Biometrika 41 (1954). The class gives the same
detections as ``river.drift.PageHinkley(mode="up")`` of river 0.26, which a test checks.
"""

import math
from typing import Self

import msgspec


class _State(msgspec.Struct, array_like=True):
    """The stored form of a detector. ``lowest`` is ``None`` before the first value."""

    threshold: float
    tolerance: float
    memory: float
    least: int
    count: int
    mean: float
    excess: float
    lowest: float | None
    is_detected: bool


class PageHinkley:
    """Detects that the mean of a stream has risen. After a detection it starts again.

    Args:
        threshold: Rise of the cumulative sum above its minimum that is a detection.
        tolerance: A rise of the mean by less than this is ignored.
        memory: Share of the cumulative sum that is kept with each value.
        least: Number of values before the first possible detection.

    Attributes:
        is_detected: Whether the latest value completed a detection.
        mean: Mean of the values since the beginning or the latest detection.
    """

    def __init__(
        self,
        threshold: float = 10.0,
        *,
        tolerance: float = 0.05,
        memory: float = 0.999_9,
        least: int = 30,
    ) -> None:
        if threshold <= 0.0 or tolerance < 0.0 or not 0.0 < memory <= 1.0 or least < 1:
            raise ValueError(
                "threshold must be above 0, tolerance at least 0, memory in (0, 1], "
                f"least at least 1, got {threshold}, {tolerance}, {memory}, {least}"
            )
        self._threshold, self._tolerance = threshold, tolerance
        self._memory, self._least = memory, least
        self._begin()

    def _begin(self) -> None:
        self.is_detected = False
        self._count = 0
        self.mean = self._excess = 0.0
        self._lowest = math.inf

    def update(self, value: float) -> bool:
        """Add the next value; return whether it completes a detection.

        Raises:
            ValueError: ``value`` is not finite.
        """
        if not math.isfinite(value):
            raise ValueError(f"a value must be finite, got {value}")
        if self.is_detected:
            self._begin()
        self._count += 1
        self.mean += (value - self.mean) / self._count
        self._excess = self._memory * self._excess + (value - self.mean) - self._tolerance
        self._lowest = min(self._lowest, self._excess)
        self.is_detected = (
            self._count >= self._least and self._excess - self._lowest > self._threshold
        )
        return self.is_detected

    def snapshot(self) -> bytes:
        """Return the state as bytes that ``restore`` reads."""
        return msgspec.msgpack.encode(
            _State(
                self._threshold,
                self._tolerance,
                self._memory,
                self._least,
                self._count,
                self.mean,
                self._excess,
                self._lowest if self._count else None,
                self.is_detected,
            )
        )

    @classmethod
    def restore(cls, data: bytes) -> Self:
        """Return the detector whose ``snapshot`` returned ``data``.

        Raises:
            msgspec.DecodeError: ``data`` is no snapshot of this class.
        """
        state = msgspec.msgpack.decode(data, type=_State)
        made = cls(
            state.threshold, tolerance=state.tolerance, memory=state.memory, least=state.least
        )
        made._count, made.mean, made._excess = state.count, state.mean, state.excess
        made._lowest = math.inf if state.lowest is None else state.lowest
        made.is_detected = state.is_detected
        return made
