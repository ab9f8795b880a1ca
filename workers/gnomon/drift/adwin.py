"""Implements ADWIN: a window over the latest values that shrinks when their mean has changed.

A. Bifet and R. Gavalda, "Learning from time-changing data with adaptive windowing", SIAM
International Conference on Data Mining 2007, in the form of its second version (exponential
histogram). A test checks that the class gives the same detections as ``river.drift.ADWIN`` of river
0.26. gnomon does not use river itself, because that would install compiled packages of 11 MB, and its
objects can only be stored by pickle.
"""

import math
from collections import deque
from typing import Final, Self

import msgspec

_ROW_CAPACITY: Final = 5
"""Number of buckets of one size; with one more, the two oldest are merged into one of twice the size."""
_SHORTEST: Final = 5
"""Least number of values on each side of a cut."""
_GRACE: Final = 10
"""Number of values before the first test."""


class Bucket(msgspec.Struct, gc=False, array_like=True):
    """The sum and the summed squared deviations of 2**i values."""

    total: float
    deviation: float


class _State(msgspec.Struct, array_like=True):
    """The stored form of a detector."""

    delta: float
    clock: int
    seen: int
    width: int
    total: float
    deviation: float
    rows: list[list[Bucket]]
    is_detected: bool
    before: float


class Adwin:
    """Detects that the mean of a stream has changed, in either direction.

    The test assumes values between 0 and 1: scale them first (``gnomon.drift.losses``). After a
    detection the next value begins a new window.

    Args:
        delta: Bound on the rate of false detections of one look.
        clock: Number of values after which the window is tested.

    Attributes:
        is_detected: Whether the latest value completed a detection.
        mean_before: At a detection, the mean of the values that the window dropped.
    """

    def __init__(self, delta: float = 0.002, clock: int = 32) -> None:
        if not 0.0 < delta < 1.0 or clock < 1:
            raise ValueError(f"delta must be in (0, 1) and clock at least 1, got {delta}, {clock}")
        self._delta, self._clock = delta, clock
        self._begin()

    def _begin(self) -> None:
        self.is_detected, self.mean_before = False, 0.0
        self._seen = self._width = 0
        self._total = self._deviation = 0.0
        # Row i holds buckets of 2**i values, the oldest first; the last row is the oldest.
        self._rows: list[deque[Bucket]] = [deque()]

    @property
    def width(self) -> int:
        """Return the number of values in the window."""
        return self._width

    @property
    def mean(self) -> float:
        """Return the mean of the window; 0 while it is empty."""
        return self._total / self._width if self._width else 0.0

    def update(self, value: float) -> bool:
        """Add the next value; return whether it completes a detection.

        Raises:
            ValueError: ``value`` is not finite.
        """
        if not math.isfinite(value):
            raise ValueError(f"a value must be finite, got {value}")
        if self.is_detected:
            self._begin()
        self._insert(value)
        self._seen += 1
        if self._seen % self._clock == 0 and self._width > _GRACE:
            width, total = self._width, self._total
            while self._shrink():
                self.is_detected = True
            if self.is_detected:
                self.mean_before = (total - self._total) / (width - self._width)
        return self.is_detected

    def _insert(self, value: float) -> None:
        earlier = self._width
        self._width += 1
        if earlier:
            gap = value - self._total / earlier
            self._deviation += earlier * gap * gap / self._width
        self._total += value
        self._rows[0].append(Bucket(value, 0.0))
        for index, row in enumerate(self._rows):
            if len(row) <= _ROW_CAPACITY:
                return
            if index + 1 == len(self._rows):
                self._rows.append(deque())
            self._rows[index + 1].append(_merged(row.popleft(), row.popleft(), 1 << index))

    def _shrink(self) -> bool:
        """Drop the oldest bucket if some cut splits the window into two different means."""
        older, older_total = 0, 0.0
        newer, newer_total = self._width, self._total
        for index in range(len(self._rows) - 1, -1, -1):
            row, size = self._rows[index], 1 << index
            for bucket in row:
                older, newer = older + size, newer - size
                older_total += bucket.total
                newer_total -= bucket.total
                if min(older, newer) >= _SHORTEST and self._differ(
                    older, newer, older_total / older - newer_total / newer
                ):
                    self._drop_oldest()
                    return True
        return False

    def _differ(self, older: int, newer: int, gap: float) -> bool:
        """Test a cut with equation 3.1 of the paper and the normal approximation of the variance."""
        confidence = math.log(2.0 * math.log(self._width) / self._delta)
        inverse = 1.0 / (older - _SHORTEST + 1) + 1.0 / (newer - _SHORTEST + 1)
        variance = self._deviation / self._width
        if variance < 0.0:  # by rounding, where nearly all values are equal
            return False
        bound = math.sqrt(2.0 * inverse * variance * confidence) + 2.0 / 3.0 * confidence * inverse
        return abs(gap) > bound

    def _drop_oldest(self) -> None:
        row, size = self._rows[-1], 1 << (len(self._rows) - 1)
        oldest = row.popleft()
        self._width -= size
        self._total -= oldest.total
        gap = oldest.total / size - self._total / self._width
        self._deviation -= oldest.deviation + size * self._width * gap * gap / (size + self._width)
        if not row:
            self._rows.pop()

    def snapshot(self) -> bytes:
        """Return the state as bytes that ``restore`` reads."""
        rows = [list(row) for row in self._rows]
        return msgspec.msgpack.encode(
            _State(
                self._delta,
                self._clock,
                self._seen,
                self._width,
                self._total,
                self._deviation,
                rows,
                self.is_detected,
                self.mean_before,
            )
        )

    @classmethod
    def restore(cls, data: bytes) -> Self:
        """Return the detector whose ``snapshot`` returned ``data``.

        Raises:
            msgspec.DecodeError: ``data`` is no snapshot of this class.
        """
        state = msgspec.msgpack.decode(data, type=_State)
        made = cls(state.delta, state.clock)
        made._seen, made._width = state.seen, state.width
        made._total, made._deviation = state.total, state.deviation
        made._rows = [deque(row) for row in state.rows]
        made.is_detected, made.mean_before = state.is_detected, state.before
        return made


def _merged(first: Bucket, second: Bucket, size: int) -> Bucket:
    """Merge two buckets of ``size`` values each."""
    gap = first.total / size - second.total / size
    between = size * size * gap * gap / (size + size)
    return Bucket(first.total + second.total, first.deviation + second.deviation + between)
