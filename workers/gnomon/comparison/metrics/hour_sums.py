"""Sums of one model version over the tasks that finished in one hour, or in several."""

from operator import add, sub

import msgspec

from gnomon.comparison.intervals.reliability import Bins, plus
from gnomon.comparison.metrics import sums
from gnomon.comparison.metrics.paired import Paired
from gnomon.comparison.metrics.sums import Histogram, Row


class HourSums(msgspec.Struct, array_like=True, gc=False):
    """Sums over all agents."""

    row: Row = msgspec.field(default_factory=sums.empty_row)
    histogram: Histogram = {}
    bins: Bins = []
    paired: Paired = msgspec.field(default_factory=Paired)

    def add(self, other: "HourSums", sign: int = 1) -> None:
        """Add ``other``, or subtract it if ``sign`` is -1."""
        self.row = list(map(add if sign > 0 else sub, self.row, other.row))
        self.bins = plus(self.bins, other.bins, sign)
        self.paired.add(other.paired, sign)
        histogram = self.histogram
        for bucket, count in other.histogram.items():
            left = histogram.get(bucket, 0) + sign * count
            if left:
                histogram[bucket] = left
            else:
                del histogram[bucket]


class MetricSeries(msgspec.Struct, array_like=True, gc=False):
    """Sums of one model version over all agents: in total, over the window, and by hour of it."""

    total: HourSums = msgspec.field(default_factory=HourSums)
    window: HourSums = msgspec.field(default_factory=HourSums)
    hours: dict[int, HourSums] = {}


class AgentSeries(msgspec.Struct, array_like=True, gc=False):
    """Rows of one model version and one agent: by hour of the window, and of all time before it."""

    before: Row = msgspec.field(default_factory=sums.empty_row)
    hours: dict[int, Row] = {}

    def row_of(self, hour: int, oldest: int) -> Row:
        """Return the row, to be added to, of the tasks that finished in ``hour``.

        Args:
            hour: The hour.
            oldest: First hour of the window.
        """
        if hour < oldest:
            return self.before
        row = self.hours.get(hour)
        if row is None:
            row = self.hours[hour] = sums.empty_row()
        return row

    def forget(self, oldest: int) -> bool:
        """Let the window begin at ``oldest``; return whether it has lost an hour."""
        expired = [hour for hour in self.hours if hour < oldest]
        for hour in expired:
            self.before = list(map(add, self.before, self.hours.pop(hour)))
        return bool(expired)

    def window(self) -> Row:
        """Return the row of the window."""
        row = sums.empty_row()
        for of_hour in self.hours.values():
            row = list(map(add, row, of_hour))
        return row
