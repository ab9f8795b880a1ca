"""One agent's finishes by finish time, and running sums over any stretch of them.

Columns of 64-bit integers, sorted by finish time, and two cursors. ``show`` moves the cursors to
the stretch that is asked for and the sums follow, so near-ordered input costs O(1) an event and
any other order only more steps. Sums are of whole nanoseconds and counts: they cannot drift.
"""

from array import array
from bisect import bisect_left, bisect_right, insort
from typing import Final

from gnomon.features.figures import Hour

NS: Final = 1_000_000_000
_RANK_ABOVE = 24
"""Up to this many, sorting for the median at each question is as cheap as keeping an order."""

_FIELD_BITS = 32
_FIELD = (1 << _FIELD_BITS) - 1
_SUCCEEDED, _REVIEWED, _DEPLOYED, _DEPLOYED_WELL = (i * _FIELD_BITS for i in range(4))
_CODE_BITS = 4
_CODE = (1 << _CODE_BITS) - 1


def mark(
    succeeded: bool,  # noqa: FBT001
    code_review_iterations: int | None,
    deployment_succeeded: bool | None,  # noqa: FBT001
) -> int:
    """Pack what a finish says beside its times into one integer below ``2**31``.

    A code in the low four bits (succeeded, deployment unknown | failed | succeeded, reviewed),
    the code review iterations above it.
    """
    code = int(succeeded)
    if deployment_succeeded is not None:
        code |= 4 if deployment_succeeded else 2
    if code_review_iterations is None:
        return code
    return code_review_iterations << _CODE_BITS | code | 8


def _counts(code: int) -> int:
    """The four counters one finish adds to, side by side in one integer."""
    deployment = code >> 1 & 3
    return (
        (code & 1) << _SUCCEEDED
        | (code >> 3) << _REVIEWED
        | (deployment > 0) << _DEPLOYED
        | (deployment > 1) << _DEPLOYED_WELL
    )


_COUNTS: Final = tuple(_counts(code) for code in range(1 << _CODE_BITS))


_NONE: Final[Hour] = (0, None, None, None, None, None)


class Window:
    """Finishes in order of finish time, of which those in ``[first, stop)`` are summed.

    Attributes:
        times: Finish times, epoch ms, ascending.
        durations: Durations in ns, beside ``times``.
        marks: What ``mark`` packed, beside ``times``.
        first: Index of the oldest finish shown.
        stop: Index after the newest finish shown.
    """

    __slots__ = (
        "_counts",
        "_ranked",
        "_reviews",
        "_total_ns",
        "durations",
        "first",
        "marks",
        "stop",
        "times",
    )

    def __init__(self) -> None:
        self.times = array("q")
        self.durations = array("q")
        self.marks = array("i")
        self.first = self.stop = 0
        self._total_ns = self._counts = self._reviews = 0
        self._ranked: array[int] | None = None

    def add(self, time_ms: int, duration_ns: int, marked: int) -> None:
        """Put one finish where it belongs; among equal times the last that came is last."""
        times = self.times
        if not times or time_ms >= times[-1]:
            times.append(time_ms)
            self.durations.append(duration_ns)
            self.marks.append(marked)
            return
        at = bisect_right(times, time_ms)
        times.insert(at, time_ms)
        self.durations.insert(at, duration_ns)
        self.marks.insert(at, marked)
        if at <= self.first:
            self.first += 1
            self.stop += 1
        elif at < self.stop:
            self.stop += 1
            self._enter(at, at + 1)

    def show(self, after_ms: int, until_ms: int) -> None:
        """Let the sums be over the finishes in ``(after_ms, until_ms]``; none if that is empty."""
        if after_ms > until_ms:  # noqa: PLR1730  min() would cost more, for every start
            after_ms = until_ms
        times, first, stop = self.times, self.first, self.stop
        size = len(times)
        new_stop = stop
        if stop < size and times[stop] <= until_ms:
            new_stop = bisect_right(times, until_ms, stop)
            self._enter(stop, new_stop)
        elif stop and times[stop - 1] > until_ms:
            new_stop = bisect_right(times, until_ms, 0, stop)
        new_first = first
        if first and times[first - 1] > after_ms:
            new_first = bisect_right(times, after_ms, 0, first)
            self._enter(new_first, first)
        elif first < size and times[first] <= after_ms:
            new_first = bisect_right(times, after_ms, first)
        # Stretches are entered before any is left, so nothing is left that was never entered.
        if new_stop < stop:
            self._leave(new_stop, stop)
        if new_first > first:
            self._leave(first, new_first)
        self.first, self.stop = new_first, new_stop

    def _enter(self, start: int, stop: int) -> None:
        durations, marks, ranked = self.durations, self.marks, self._ranked
        total_ns = counts = reviews = 0
        for i in range(start, stop):
            duration, marked = durations[i], marks[i]
            total_ns += duration
            counts += _COUNTS[marked & _CODE]
            reviews += marked >> _CODE_BITS
            if ranked is not None:
                insort(ranked, duration)
        self._total_ns += total_ns
        self._counts += counts
        self._reviews += reviews

    def _leave(self, start: int, stop: int) -> None:
        durations, marks, ranked = self.durations, self.marks, self._ranked
        total_ns = counts = reviews = 0
        for i in range(start, stop):
            duration, marked = durations[i], marks[i]
            total_ns += duration
            counts += _COUNTS[marked & _CODE]
            reviews += marked >> _CODE_BITS
            if ranked is not None:
                del ranked[bisect_left(ranked, duration)]
        self._total_ns -= total_ns
        self._counts -= counts
        self._reviews -= reviews

    def figures(self) -> Hour:
        """Means over what is shown, each the exact ratio rounded once."""
        n = self.stop - self.first
        if not n:
            return _NONE
        counts = self._counts
        reviewed = counts >> _REVIEWED & _FIELD
        deployed = counts >> _DEPLOYED & _FIELD
        return (
            n,
            self._total_ns / (n * NS),
            (counts & _FIELD) / n,
            self._reviews / reviewed if reviewed else None,
            self._median_ns2(n) / (2 * NS),
            (counts >> _DEPLOYED_WELL) / deployed if deployed else None,
        )

    def _median_ns2(self, n: int) -> int:
        """Twice the median in ns, so that the mean of the middle two stays whole."""
        ranked: array[int] | list[int] | None = self._ranked
        if ranked is None:
            ranked = sorted(self.durations[self.first : self.stop])
            if n > _RANK_ABOVE:
                self._ranked = array("q", ranked)
        elif n <= _RANK_ABOVE // 2:
            self._ranked = None
        return ranked[n >> 1] + ranked[n - 1 >> 1]

    def forget(self, until_ms: int) -> int:
        """Drop every finish at or before ``until_ms``; return the newest of them, else -1."""
        count = bisect_right(self.times, until_ms)
        if not count:
            return -1
        newest = self.times[count - 1]
        if self.first < count:
            self._leave(self.first, min(count, self.stop))
            self.first, self.stop = count, max(count, self.stop)
        del self.times[:count], self.durations[:count], self.marks[:count]
        self.first -= count
        self.stop -= count
        return newest
