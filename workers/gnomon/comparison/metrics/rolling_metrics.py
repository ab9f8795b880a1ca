"""Metrics of every model version: over all agents and by agent, in total and over 24 hours.

The window ``24h`` has the tasks whose ``finished_at_ms`` is in one of the 24 whole hours (UTC)
that end with the watermark's hour: between 23 and 24 hours of event time. Each hour is kept as
sums. A window therefore takes 24 rows however many tasks it has, and the order in which tasks
finish does not matter.

The metrics of the slice ``all`` are written with the batch that changes them. Those of agents, which
are many, are written together every few seconds.
"""

from collections.abc import Iterable, Iterator
from functools import partial
from itertools import islice
from operator import add
from typing import Final, Literal

from gnomon.comparison.decisions import Decision
from gnomon.comparison.metrics import sums
from gnomon.comparison.metrics.hour_sums import AgentSeries, HourSums, MetricSeries
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
AgentKey = tuple[int, str]
"""Number of the model, and the agent."""


class RollingMetrics:
    """Running metrics of one partition: ``add`` the tasks of a batch, then ``close`` the batch.

    Attributes:
        series: Sums over all agents, by number of the model.
        agents: Rows by number of the model and agent.
        hour: Hour of the watermark, counted from 1970-01-01 UTC.
        unwritten: Slices of agents that changed since their metrics were written.
    """

    __slots__ = ("_batch", "agents", "hour", "series", "unwritten")

    def __init__(self) -> None:
        self.series: dict[int, MetricSeries] = {}
        self.agents: dict[AgentKey, AgentSeries] = {}
        self.hour = 0
        self.unwritten: dict[AgentKey, None] = {}
        self._batch: dict[tuple[int, int], HourSums] = {}

    def add(self, decision: Decision, outcome: Outcome, sources: Sources, agent: str) -> None:
        """Add a matched decision; ``agent`` is ``ALL_AGENTS`` if it has no slice of its own."""
        hour, batch, duration_s = outcome.at_ms // HOUR_MS, self._batch, outcome.duration_s
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
            of_all.count(
                result,
                predicted,
                outcome,
                control=control,
                baselines=baselines if is_judged else None,
            )
            if agent != ALL_AGENTS:
                row = self._row((model, agent), hour)
                sums.add_result(row, result, control, duration_s, predicted.intervals)

    def add_expired(
        self, decision: Decision, outcome: Outcome, sources: Sources, agent: str
    ) -> None:
        """Count a decision whose end did not come in time; ``agent`` as in ``add``."""
        hour = outcome.at_ms // HOUR_MS
        for predicted in decision.predictions:
            model = sources.model_of[predicted.source]
            self._batch.setdefault((model, hour), HourSums()).row[sums.EXPIRED] += 1
            if agent != ALL_AGENTS:
                self._row((model, agent), hour)[sums.EXPIRED] += 1

    def close(self, watermark_ms: int, sources: Sources, partition: int) -> Iterator[KeyedMetrics]:
        """End the batch: move the window to the watermark, and yield the metrics of ``all`` that changed."""
        changed = self._move(watermark_ms // HOUR_MS)
        totals: dict[int, None] = {}
        for (model, hour), added in self._batch.items():
            self._grow(model, hour, added, changed)
            totals[model] = None
        self._batch.clear()
        name = partial(_record, sources=sources, partition=partition)
        for model in totals:
            yield name(model, ALL_AGENTS, self.series[model].total, window="all")
        for model in changed:
            yield name(model, ALL_AGENTS, self.series[model].window, window="24h")

    def write_agents(self, sources: Sources, partition: int) -> Iterator[KeyedMetrics]:
        """Yield the metrics of agents that changed since they were written, at most ``MAX_WRITTEN``."""
        for key in list(islice(self.unwritten, MAX_WRITTEN)):
            del self.unwritten[key]
            series = self.agents[key]
            window = series.window()
            total = list(map(add, series.before, window))
            name = partial(_record, *key, sources=sources, partition=partition)
            yield name(HourSums(total), window="all")
            yield name(HourSums(window), window="24h")

    def restore(
        self,
        series: dict[int, MetricSeries],
        agents: dict[AgentKey, AgentSeries],
        hour: int,
        unwritten: Iterable[AgentKey],
    ) -> None:
        """Take over the attributes of another instance, between two batches."""
        self.series, self.agents, self.hour = series, agents, hour
        self.unwritten = dict.fromkeys(unwritten)

    def _row(self, key: AgentKey, hour: int) -> Row:
        """Return the row of an agent to add to, which changes its metrics."""
        self.unwritten[key] = None
        series = self.agents.get(key)
        if series is None:
            series = self.agents[key] = AgentSeries()
        return series.row_of(hour, self.hour - WINDOW_HOURS + 1)

    def _move(self, hour: int) -> dict[int, None]:
        """Drop the hours that left the window; return the models whose metrics of ``all`` changed."""
        changed: dict[int, None] = {}
        if hour > self.hour:
            self.hour = hour
            oldest = hour - WINDOW_HOURS + 1
            for model, series in self.series.items():
                for expired in [h for h in series.hours if h < oldest]:
                    series.window.add(series.hours.pop(expired), -1)
                    changed[model] = None
            for key, of_agent in self.agents.items():
                if of_agent.forget(oldest):
                    self.unwritten[key] = None
        return changed

    def _grow(self, model: int, hour: int, added: HourSums, changed: dict[int, None]) -> None:
        series = self.series.get(model)
        if series is None:
            series = self.series[model] = MetricSeries()
            changed[model] = None
        series.total.add(added)
        if hour > self.hour - WINDOW_HOURS:
            series.window.add(added)
            series.hours.setdefault(hour, HourSums()).add(added)
            changed[model] = None


def _record(
    number: int,
    agent: str,
    figures: HourSums,
    *,
    sources: Sources,
    partition: int,
    window: Literal["all", "24h"],
) -> KeyedMetrics:
    model, version = sources.models[number]
    record = sums.metrics(
        figures.row,
        figures.histogram,
        figures.bins,
        model=model,
        version=version,
        of_slice="all" if agent == ALL_AGENTS else f"agent:{agent}",
        partition=partition,
        window=window,
    )
    record = with_baselines(record, figures.paired)
    return metrics_key(record), record


def metrics_key(record: ModelMetrics) -> str:
    """Return ``<model>|<version>|<slice>|<window>|p<partition>``; ``|`` in a name becomes ``%7C``."""
    names = (record.model, record.version, record.slice)
    joined = "|".join(name.replace("%", "%25").replace("|", "%7C") for name in names)
    return f"{joined}|{record.window}|p{record.partition}"
