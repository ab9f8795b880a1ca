"""Metrics of every model version: over all agents and by agent, in total and over 24 hours.

The window ``24h`` has the tasks whose ``finished_at_ms`` is in one of the 24 whole hours (UTC)
that end with the watermark's hour: between 23 and 24 hours of event time. Each hour is kept as
sums. A window therefore takes 24 rows however many tasks it has, and the order in which tasks
finish does not matter.
"""

from collections.abc import Iterator
from operator import add, sub
from typing import Final, Literal

import msgspec

from gnomon.comparison.decisions import Decision
from gnomon.comparison.intervals.reliability import Bins, empty_bins, plus
from gnomon.comparison.metrics import sums
from gnomon.comparison.metrics.paired import (
    BaselineResults,
    Paired,
    add_paired,
    results_of,
    with_baselines,
)
from gnomon.comparison.metrics.sums import Histogram, Row
from gnomon.comparison.sources import BASELINES, Sources
from gnomon.events import ModelMetrics, Outcome

HOUR_MS: Final = 3_600_000
WINDOW_HOURS: Final = 24
ALL_AGENTS: Final = ""
"""Stands for the slice ``all`` in place of an agent's id, which is never empty."""

KeyedMetrics = tuple[str, ModelMetrics]
"""Key and record of comparison-metrics."""


class HourSums(msgspec.Struct, array_like=True, gc=False):
    """Sums of the tasks that finished in one hour."""

    row: Row
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
    """Sums of one model version on one slice: in total, over the window, and by hour of it."""

    total: HourSums
    window: HourSums
    hours: dict[int, HourSums] = {}


MetricSeriesKey = tuple[int, str]
"""Number of the model, and the agent or ``ALL_AGENTS``."""


class RollingMetrics:
    """Running metrics of one partition: ``add`` the tasks of a batch, then ``close`` the batch.

    Attributes:
        series: Sums by model and slice.
        hour: Hour of the watermark, counted from 1970-01-01 UTC.
    """

    __slots__ = ("_batch", "hour", "series")

    def __init__(self) -> None:
        self.series: dict[MetricSeriesKey, MetricSeries] = {}
        self.hour = 0
        self._batch: dict[tuple[int, str, int], HourSums] = {}

    def add(self, decision: Decision, outcome: Outcome, sources: Sources, agent: str) -> None:
        """Add a matched decision; ``agent`` is ``ALL_AGENTS`` if it has no slice of its own."""
        hour, batch = outcome.at_ms // HOUR_MS, self._batch
        control = None
        for predicted in decision.predictions:
            if predicted.source in sources.control:
                control = predicted
        results: BaselineResults | None = None
        for predicted in decision.predictions:
            key = (sources.model_of[predicted.source], agent, hour)
            batch_sums = batch.get(key)
            if batch_sums is None:
                batch_sums = batch[key] = HourSums(sums.empty_row(), bins=empty_bins())
            sums.add_task(
                batch_sums.row,
                batch_sums.histogram,
                outcome,
                predicted,
                control,
                bins=batch_sums.bins,
            )
            model = sources.names[predicted.source][0]
            if model not in BASELINES:
                results = results or _results(decision, outcome, sources)
                add_paired(batch_sums.paired, outcome, predicted, results, model=model)

    def add_expired(
        self, decision: Decision, outcome: Outcome, sources: Sources, agent: str
    ) -> None:
        """Count a decision whose end did not come in time; ``agent`` as in ``add``."""
        for predicted in decision.predictions:
            key = (sources.model_of[predicted.source], agent, outcome.at_ms // HOUR_MS)
            batch_sums = self._batch.get(key)
            if batch_sums is None:
                batch_sums = self._batch[key] = HourSums(sums.empty_row(), bins=empty_bins())
            batch_sums.row[sums.EXPIRED] += 1

    def close(self, watermark_ms: int, sources: Sources, partition: int) -> Iterator[KeyedMetrics]:
        """End the batch: move the window to the watermark, and yield the metrics that changed."""
        changed = self._move(watermark_ms // HOUR_MS)
        everyone: dict[tuple[int, int], HourSums] = {}
        totals: dict[MetricSeriesKey, None] = {}
        for (model, agent, hour), added in self._batch.items():
            if agent != ALL_AGENTS:
                self._grow((model, agent), hour, HourSums(added.row), changed)
                totals[model, agent] = None
            of_all = everyone.get((model, hour))
            if of_all is None:
                everyone[model, hour] = added
            else:
                of_all.add(added)
        self._batch.clear()
        for (model, hour), added in everyone.items():
            self._grow((model, ALL_AGENTS), hour, added, changed)
            totals[model, ALL_AGENTS] = None
        for key in totals:
            yield self._metrics(key, sources, partition, "all")
        for key in changed:
            yield self._metrics(key, sources, partition, "24h")

    def _move(self, hour: int) -> dict[MetricSeriesKey, None]:
        """Drop the hours that left the window; return the keys of the series that changed."""
        changed: dict[MetricSeriesKey, None] = {}
        if hour > self.hour:
            self.hour = hour
            oldest = hour - WINDOW_HOURS + 1
            for key, series in self.series.items():
                for expired in [h for h in series.hours if h < oldest]:
                    series.window.add(series.hours.pop(expired), -1)
                    changed[key] = None
        return changed

    def _grow(
        self, key: MetricSeriesKey, hour: int, added: HourSums, changed: dict[MetricSeriesKey, None]
    ) -> None:
        series = self.series.get(key)
        if series is None:
            series = self.series[key] = MetricSeries(
                HourSums(sums.empty_row()), HourSums(sums.empty_row())
            )
            changed[key] = None
        series.total.add(added)
        if hour > self.hour - WINDOW_HOURS:
            series.window.add(added)
            of_hour = series.hours.get(hour)
            if of_hour is None:
                of_hour = series.hours[hour] = HourSums(sums.empty_row())
            of_hour.add(added)
            changed[key] = None

    def _metrics(
        self, key: MetricSeriesKey, sources: Sources, partition: int, window: Literal["all", "24h"]
    ) -> KeyedMetrics:
        model, version = sources.models[key[0]]
        of_slice = "all" if key[1] == ALL_AGENTS else f"agent:{key[1]}"
        series = self.series[key]
        of_window = series.total if window == "all" else series.window
        record = sums.metrics(
            of_window.row,
            of_window.histogram,
            of_window.bins,
            model=model,
            version=version,
            of_slice=of_slice,
            partition=partition,
            window=window,
        )
        record = with_baselines(record, of_window.paired)
        return metrics_key(record), record


def _results(decision: Decision, outcome: Outcome, sources: Sources) -> BaselineResults:
    names = sources.names
    return results_of(outcome, ((names[p.source][0], p) for p in decision.predictions))


def metrics_key(record: ModelMetrics) -> str:
    """Return ``<model>|<version>|<slice>|<window>|p<partition>``; ``|`` in a name becomes ``%7C``."""
    names = (record.model, record.version, record.slice)
    joined = "|".join(name.replace("%", "%25").replace("|", "%7C") for name in names)
    return f"{joined}|{record.window}|p{record.partition}"
