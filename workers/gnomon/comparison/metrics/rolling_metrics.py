"""Metrics of every model version: over all agents and by agent, in total and over 24 hours.

The window ``24h`` has the tasks whose ``finished_at_ms`` is in one of the 24 whole hours (UTC)
that end with the watermark's hour: between 23 and 24 hours of event time. Each hour is kept as
sums. A window therefore takes 24 rows however many tasks it has, and the order in which tasks
finish does not matter.

The metrics of the slice ``all`` are written with the batch that changes them. Those of agents, which
are many, are written together every few seconds.
"""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final, Literal

from gnomon.comparison.decisions import Decision
from gnomon.comparison.metrics import sums
from gnomon.comparison.metrics.hour_sums import HourSums, MetricSeries
from gnomon.comparison.metrics.paired import BaselineResults, results_of, with_baselines
from gnomon.comparison.metrics.sums import Row
from gnomon.comparison.sources import BASELINES, CONTROL_MODEL, Sources
from gnomon.events import ModelMetrics, Outcome

HOUR_MS: Final = 3_600_000
WINDOW_HOURS: Final = 24
ALL_AGENTS: Final = ""
"""Stands for the slice ``all`` in place of an agent's id, which is never empty."""

MAX_WRITTEN: Final = 1000
"""Slices of agents that are written at once, so that no transaction grows with their number."""

KeyedMetrics = tuple[str, ModelMetrics]
"""Key and record of comparison-metrics."""
MetricSeriesKey = tuple[int, str]
"""Number of the model, and the agent or ``ALL_AGENTS``."""


class RollingMetrics:
    """Running metrics of one partition: ``add`` the tasks of a batch, then ``close`` the batch.

    Attributes:
        series: Sums by model and slice.
        hour: Hour of the watermark, counted from 1970-01-01 UTC.
        unwritten: Slices of agents that changed since their metrics were written.
    """

    __slots__ = ("_agents", "_batch", "hour", "series", "unwritten")

    def __init__(self) -> None:
        self.series: dict[MetricSeriesKey, MetricSeries] = {}
        self.hour = 0
        self.unwritten: dict[MetricSeriesKey, None] = {}
        self._batch: dict[tuple[int, int], HourSums] = {}
        self._agents: list[tuple[MetricSeriesKey, int, Row]] = []

    def add(self, decision: Decision, outcome: Outcome, sources: Sources, agent: str) -> None:
        """Add a matched decision; ``agent`` is ``ALL_AGENTS`` if it has no slice of its own."""
        hour, batch = outcome.at_ms // HOUR_MS, self._batch
        names, model_of = sources.names, sources.model_of
        results = [sums.result_of(outcome, predicted) for predicted in decision.predictions]
        by_name = {
            names[predicted.source][0]: result
            for predicted, result in zip(decision.predictions, results, strict=True)
        }
        control = by_name.get(CONTROL_MODEL)
        baselines: BaselineResults | None = None
        for predicted, result in zip(decision.predictions, results, strict=True):
            model = model_of[predicted.source]
            of_all = batch.get((model, hour))
            if of_all is None:
                of_all = batch[model, hour] = HourSums()
            is_judged = names[predicted.source][0] not in BASELINES
            if is_judged and baselines is None:
                baselines = results_of(by_name)
            row = of_all.count(
                result,
                predicted,
                outcome,
                control=control,
                baselines=baselines if is_judged else None,
            )
            if agent != ALL_AGENTS:
                self._agents.append(((model, agent), hour, row))

    def add_expired(
        self, decision: Decision, outcome: Outcome, sources: Sources, agent: str
    ) -> None:
        """Count a decision whose end did not come in time; ``agent`` as in ``add``."""
        hour = outcome.at_ms // HOUR_MS
        for predicted in decision.predictions:
            model = sources.model_of[predicted.source]
            row = sums.empty_row()
            row[sums.EXPIRED] = 1
            self._batch.setdefault((model, hour), HourSums()).add_row(row)
            if agent != ALL_AGENTS:
                self._agents.append(((model, agent), hour, row))

    def close(self, watermark_ms: int, sources: Sources, partition: int) -> Iterator[KeyedMetrics]:
        """End the batch: move the window to the watermark, and yield the metrics of ``all`` that changed."""
        changed = self._move(watermark_ms // HOUR_MS)
        for key, hour, row in self._agents:
            self._grow_agent(key, hour, row)
        self._agents.clear()
        totals: dict[MetricSeriesKey, None] = {}
        for (model, hour), added in self._batch.items():
            self._grow((model, ALL_AGENTS), hour, added, changed)
            totals[model, ALL_AGENTS] = None
        self._batch.clear()
        for key in totals:
            yield self._metrics(key, sources, partition, "all")
        for key in changed:
            yield self._metrics(key, sources, partition, "24h")

    def write_agents(self, sources: Sources, partition: int) -> Iterator[KeyedMetrics]:
        """Yield the metrics of agents that changed since they were written, at most ``MAX_WRITTEN``."""
        for key in list(islice(self.unwritten, MAX_WRITTEN)):
            del self.unwritten[key]
            yield self._metrics(key, sources, partition, "all")
            yield self._metrics(key, sources, partition, "24h")

    def restore(
        self,
        series: dict[MetricSeriesKey, MetricSeries],
        hour: int,
        unwritten: Iterable[MetricSeriesKey],
    ) -> None:
        """Take over the attributes of another instance, between two batches."""
        self.series, self.hour, self.unwritten = series, hour, dict.fromkeys(unwritten)

    def _move(self, hour: int) -> dict[MetricSeriesKey, None]:
        """Drop the hours that left the window; return the series of ``all`` that changed."""
        changed: dict[MetricSeriesKey, None] = {}
        if hour > self.hour:
            self.hour = hour
            oldest = hour - WINDOW_HOURS + 1
            for key, series in self.series.items():
                for expired in [h for h in series.hours if h < oldest]:
                    series.window.add(series.hours.pop(expired), -1)
                    (changed if key[1] == ALL_AGENTS else self.unwritten)[key] = None
        return changed

    def _grow(
        self, key: MetricSeriesKey, hour: int, added: HourSums, changed: dict[MetricSeriesKey, None]
    ) -> None:
        series = self.series.get(key)
        if series is None:
            series = self.series[key] = MetricSeries()
            changed[key] = None
        series.total.add(added)
        if hour > self.hour - WINDOW_HOURS:
            series.window.add(added)
            series.hours.setdefault(hour, HourSums()).add(added)
            changed[key] = None

    def _grow_agent(self, key: MetricSeriesKey, hour: int, row: Row) -> None:
        self.unwritten[key] = None
        series = self.series.get(key)
        if series is None:
            series = self.series[key] = MetricSeries()
        series.total.add_row(row)
        if hour > self.hour - WINDOW_HOURS:
            series.window.add_row(row)
            of_hour = series.hours.get(hour)
            if of_hour is None:
                of_hour = series.hours[hour] = HourSums()
            of_hour.add_row(row)

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


def metrics_key(record: ModelMetrics) -> str:
    """Return ``<model>|<version>|<slice>|<window>|p<partition>``; ``|`` in a name becomes ``%7C``."""
    names = (record.model, record.version, record.slice)
    joined = "|".join(name.replace("%", "%25").replace("|", "%7C") for name in names)
    return f"{joined}|{record.window}|p{record.partition}"
