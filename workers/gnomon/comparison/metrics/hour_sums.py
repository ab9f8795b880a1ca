"""Sums of one model version over the tasks of one slice that finished in one hour, or in several."""

from operator import add, sub

import msgspec

from gnomon.comparison.intervals.reliability import Bins, add_probability, empty_bins, plus
from gnomon.comparison.metrics import sums
from gnomon.comparison.metrics.paired import BaselineResults, Paired, add_paired
from gnomon.comparison.metrics.sums import Histogram, PredictionLike, Row, TaskResult
from gnomon.events import Outcome


class HourSums(msgspec.Struct, array_like=True, gc=False):
    """Sums of a slice. Only those of the slice ``all`` have more than a row."""

    row: Row = msgspec.field(default_factory=sums.empty_row)
    histogram: Histogram = {}
    bins: Bins = []
    paired: Paired = msgspec.field(default_factory=Paired)

    def count(
        self,
        result: TaskResult,
        predicted: PredictionLike,
        outcome: Outcome,
        *,
        control: TaskResult | None,
        baselines: BaselineResults | None,
    ) -> Row:
        """Add one matched task, and return its row.

        Args:
            result: How the prediction did.
            predicted: The prediction.
            outcome: The outcome.
            control: How the control did, if it predicted.
            baselines: How the baselines did; ``None`` if the model is one.
        """
        row = sums.task_row(result, control, outcome.duration_s, predicted.intervals)
        self.add_row(row)
        if result.error_us is not None:
            sums.count_error(self.histogram, result.error_us)
        probability, succeeded = predicted.success_probability, outcome.succeeded
        if probability is not None and succeeded is not None:
            if not self.bins:
                self.bins = empty_bins()
            add_probability(self.bins, probability, succeeded=succeeded)
        if baselines is not None:
            add_paired(self.paired, result, baselines)
        return row

    def add_row(self, row: Row) -> None:
        """Add the row of one task or of several."""
        self.row = list(map(add, self.row, row))

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
    """Sums of one model version on one slice: in total, over the window, and by hour of it."""

    total: HourSums = msgspec.field(default_factory=HourSums)
    window: HourSums = msgspec.field(default_factory=HourSums)
    hours: dict[int, HourSums] = {}
