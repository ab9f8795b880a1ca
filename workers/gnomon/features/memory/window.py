"""One agent's finishes by finish time, and running sums over any range of them.

Finishes are columns of integers, sorted by finish time. ``select`` moves two cursors to the ends
of the range and updates the sums on the way, so near-ordered input costs O(1) an event and any
other order only more steps. Sums are of whole nanoseconds and counts: they cannot drift.
"""

from array import array
from bisect import bisect_left, bisect_right, insort
from typing import Final, Self

from gnomon.features.memory import columns as stored

NS: Final = 1_000_000_000
_RANK_ABOVE = 24
"""Up to this many finishes, sorting them for each median is as cheap as keeping them sorted."""

_FIELD_BITS = 32
_FIELD = (1 << _FIELD_BITS) - 1
_SUCCEEDED, _REVIEWED, _DEPLOYED, _DEPLOYED_WELL = (i * _FIELD_BITS for i in range(4))
_CODE_BITS = 4
_CODE = (1 << _CODE_BITS) - 1


def pack_flags(
    succeeded: bool,  # noqa: FBT001
    code_review_iterations: int | None,
    deployment_succeeded: bool | None,  # noqa: FBT001
) -> int:
    """Pack the outcome of a task into one integer below ``2**31``.

    The low four bits are a code: succeeded (1), deployment failed (2) or succeeded (4), code
    review iterations given (8). The code review iterations are above them.
    """
    code = int(succeeded)
    if deployment_succeeded is not None:
        code |= 4 if deployment_succeeded else 2
    if code_review_iterations is None:
        return code
    return code_review_iterations << _CODE_BITS | code | 8


def _counts(code: int) -> int:
    """What one finish adds to the four counters, which lie side by side in one integer."""
    deployment = code >> 1 & 3
    return (
        (code & 1) << _SUCCEEDED
        | (code >> 3) << _REVIEWED
        | (deployment > 0) << _DEPLOYED
        | (deployment > 1) << _DEPLOYED_WELL
    )


_COUNTS: Final = tuple(_counts(code) for code in range(1 << _CODE_BITS))


class Window:
    """Finishes in order of finish time; the sums are over those in ``[first, stop)``.

    Attributes:
        times: Finish times, epoch ms, ascending.
        durations: Durations in ns, in the order of ``times``.
        flags: Results of ``pack_flags``, in the order of ``times``.
        first: Index of the oldest selected finish.
        stop: Index after the newest selected finish.
    """

    __slots__ = (
        "_counts",
        "_ranked",
        "_reviews",
        "_total_ns",
        "durations",
        "first",
        "flags",
        "stop",
        "times",
    )

    def __init__(self) -> None:
        self.times = array("q")
        self.durations = array("q")
        self.flags = array("i")
        self.first = self.stop = 0
        self._total_ns = self._counts = self._reviews = 0
        self._ranked: array[int] | None = None

    def columns(self) -> tuple[bytes, bytes, bytes]:
        """Export ``times``, ``durations`` and ``flags`` for a snapshot."""
        to_bytes = stored.to_bytes
        return to_bytes(self.times), to_bytes(self.durations), to_bytes(self.flags)

    @classmethod
    def restored(cls, times: bytes, durations: bytes, flags: bytes) -> Self:
        """Build the window that ``columns`` exported; ``ValueError`` if it cannot have."""
        window = cls()
        window.times = stored.times(times)
        window.durations = stored.to_array("q", durations)
        window.flags = stored.to_array("i", flags)
        stored.check_within(window.durations, stored.DURATIONS_END_NS)
        stored.check_within(window.flags, 1 << 31)
        if not len(window.times) == len(window.durations) == len(window.flags):
            raise ValueError("columns of a window of different lengths")
        return window

    def add(self, time_ms: int, duration_ns: int, flags: int) -> None:
        """Insert one finish by its time, after finishes of the same time."""
        times = self.times
        if not times or time_ms >= times[-1]:
            times.append(time_ms)
            self.durations.append(duration_ns)
            self.flags.append(flags)
            return
        at = bisect_right(times, time_ms)
        times.insert(at, time_ms)
        self.durations.insert(at, duration_ns)
        self.flags.insert(at, flags)
        if at <= self.first:
            self.first += 1
            self.stop += 1
        elif at < self.stop:
            self.stop += 1
            self._include(at, at + 1)

    def select(self, after_ms: int, until_ms: int) -> None:
        """Sum over the finishes in ``(after_ms, until_ms]``, which may be empty."""
        if after_ms > until_ms:  # noqa: PLR1730  min() would cost more, for every start
            after_ms = until_ms
        times, first, stop = self.times, self.first, self.stop
        size = len(times)
        new_stop = stop
        if stop < size and times[stop] <= until_ms:
            new_stop = bisect_right(times, until_ms, stop)
            self._include(stop, new_stop)
        elif stop and times[stop - 1] > until_ms:
            new_stop = bisect_right(times, until_ms, 0, stop)
        new_first = first
        if first and times[first - 1] > after_ms:
            new_first = bisect_right(times, after_ms, 0, first)
            self._include(new_first, first)
        elif first < size and times[first] <= after_ms:
            new_first = bisect_right(times, after_ms, first)
        # Ranges are added before any is removed, so nothing is removed that was never added.
        if new_stop < stop:
            self._exclude(new_stop, stop)
        if new_first > first:
            self._exclude(first, new_first)
        self.first, self.stop = new_first, new_stop

    def _include(self, start: int, stop: int) -> None:
        durations, flags, ranked = self.durations, self.flags, self._ranked
        total_ns = counts = reviews = 0
        for i in range(start, stop):
            duration, packed = durations[i], flags[i]
            total_ns += duration
            counts += _COUNTS[packed & _CODE]
            reviews += packed >> _CODE_BITS
            if ranked is not None:
                insort(ranked, duration)
        self._total_ns += total_ns
        self._counts += counts
        self._reviews += reviews

    def _exclude(self, start: int, stop: int) -> None:
        durations, flags, ranked = self.durations, self.flags, self._ranked
        total_ns = counts = reviews = 0
        for i in range(start, stop):
            duration, packed = durations[i], flags[i]
            total_ns += duration
            counts += _COUNTS[packed & _CODE]
            reviews += packed >> _CODE_BITS
            if ranked is not None:
                del ranked[bisect_left(ranked, duration)]
        self._total_ns -= total_ns
        self._counts -= counts
        self._reviews -= reviews

    def mean_duration_s(self) -> float | None:
        """Mean duration of the selected finishes, rounded once; ``None`` if there are none."""
        n = self.stop - self.first
        return self._total_ns / (n * NS) if n else None

    def median_duration_s(self) -> float | None:
        """Median duration of the selected finishes; ``None`` if there are none."""
        n = self.stop - self.first
        return self._median_ns2(n) / (2 * NS) if n else None

    def success_rate(self) -> float | None:
        """Share of the selected finishes that succeeded; ``None`` if there are none."""
        n = self.stop - self.first
        return (self._counts & _FIELD) / n if n else None

    def mean_reviews(self) -> float | None:
        """Mean code review iterations of those that give them; ``None`` if none does."""
        reviewed = self._counts >> _REVIEWED & _FIELD
        return self._reviews / reviewed if reviewed else None

    def deployment_success_rate(self) -> float | None:
        """Share of the deployments that succeeded; ``None`` if there are none."""
        deployed = self._counts >> _DEPLOYED & _FIELD
        return (self._counts >> _DEPLOYED_WELL) / deployed if deployed else None

    def _median_ns2(self, n: int) -> int:
        """Twice the median in ns, so that the mean of the middle two is a whole number."""
        ranked: array[int] | list[int] | None = self._ranked
        if ranked is None:
            ranked = sorted(self.durations[self.first : self.stop])
            if n > _RANK_ABOVE:
                self._ranked = array("q", ranked)
        elif n <= _RANK_ABOVE // 2:
            self._ranked = None
        return ranked[n >> 1] + ranked[n - 1 >> 1]

    def forget(self, until_ms: int) -> int:
        """Drop every finish at or before ``until_ms``; return the newest time dropped, else -1."""
        count = bisect_right(self.times, until_ms)
        if not count:
            return -1
        newest = self.times[count - 1]
        if self.first < count:
            self._exclude(self.first, min(count, self.stop))
            self.first, self.stop = count, max(count, self.stop)
        del self.times[:count], self.durations[:count], self.flags[:count]
        self.first -= count
        self.stop -= count
        return newest
