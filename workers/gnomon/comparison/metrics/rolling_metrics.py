"""Metrics of every model version: over all agents and by agent, in total and over 24 hours.

The window ``24h`` has the tasks whose ``finished_at_ms`` is in one of the 24 whole hours (UTC)
that end with the watermark's hour: between 23 and 24 hours of event time. Each hour is kept as
sums. A window therefore takes 24 rows however many tasks it has, and the order in which tasks
finish does not matter.

Tasks are added up many at once, before their metrics are written: those of the slice ``all`` every
second, those of agents, which are many, every few seconds.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from functools import partial
from itertools import islice
from operator import add
from typing import Final, Literal

from gnomon.comparison.decisions import Decision
from gnomon.comparison.metrics import sums
from gnomon.comparison.metrics.batch import HOUR_MS, MatchedTask, sums_of
from gnomon.comparison.metrics.hour_sums import AgentSeries, HourSums, MetricSeries
from gnomon.comparison.metrics.paired import with_baselines
from gnomon.comparison.metrics.sums import Row
from gnomon.comparison.sources import BASELINES, Sources
from gnomon.events import ModelMetrics, Outcome

WINDOW_HOURS: Final = 24
ALL_AGENTS: Final = ""
"""Stands for the slice ``all`` in place of an agent's id, which is never empty."""

MAX_WRITTEN: Final = 1000
"""Slices of agents that are written at once, so that no transaction grows with their number."""

MAX_UNSETTLED: Final = 2000
"""Tasks that wait at most until they are added up, so that they take little memory."""
_PLACE: Final = {name: place for place, name in enumerate(BASELINES)}

KeyedMetrics = tuple[str, ModelMetrics]
"""Key and record of comparison-metrics."""
AgentKey = tuple[int, str]
"""Number of the model, and the agent."""


class RollingMetrics:
    """Running metrics of one partition: ``add`` tasks, and ``write_all`` every now and then.

    Attributes:
        series: Sums over all agents, by number of the model.
        agents: Rows by number of the model and agent.
        hour: Hour of the watermark, counted from 1970-01-01 UTC.
        unwritten: Slices of agents that changed since their metrics were written.
    """

    __slots__ = (
        "_expired",
        "_matched",
        "_totals",
        "_windows",
        "agents",
        "hour",
        "series",
        "unwritten",
    )

    def __init__(self) -> None:
        self.series: dict[int, MetricSeries] = {}
        self.agents: dict[AgentKey, AgentSeries] = {}
        self.hour = 0
        self.unwritten: dict[AgentKey, None] = {}
        self._matched: list[MatchedTask] = []
        self._expired: Counter[tuple[int, int]] = Counter()
        self._totals: dict[int, None] = {}
        self._windows: dict[int, None] = {}

    @property
    def waiting(self) -> int:
        """Return the number of metrics that are not written, or of tasks that are in none yet."""
        unwritten = len(self.unwritten) + len(self._totals) + len(self._windows)
        return unwritten + len(self._matched) + len(self._expired)

    def add(self, decision: Decision, outcome: Outcome, sources: Sources, agent: str) -> None:
        """Add a matched decision; ``agent`` is ``ALL_AGENTS`` if it has no slice of its own."""
        model_of, predictions = sources.model_of, decision.predictions
        models = [model_of[predicted.source] for predicted in predictions]
        self._matched.append(MatchedTask(outcome, predictions, models, agent))
        if len(self._matched) >= MAX_UNSETTLED:
            self.settle(sources)

    def add_expired(
        self, decision: Decision, outcome: Outcome, sources: Sources, agent: str
    ) -> None:
        """Count a decision whose end did not come in time; ``agent`` as in ``add``."""
        hour = outcome.at_ms // HOUR_MS
        for predicted in decision.predictions:
            model = sources.model_of[predicted.source]
            self._expired[model, hour] += 1
            if agent != ALL_AGENTS:
                self._row((model, agent), hour)[sums.EXPIRED] += 1

    def settle(self, sources: Sources) -> None:
        """Add the tasks that are in no sums yet."""
        matched, self._matched = self._matched, []
        expired, self._expired = self._expired, Counter()
        added = sums_of(matched, [_PLACE.get(name, -1) for name, _ in sources.models])
        for model, hour, agent, row in added.agents:
            kept = self._row((model, agent), hour)
            kept[:] = map(add, kept, row)
        for (model, hour), count in expired.items():
            added.hours.setdefault((model, hour), HourSums()).row[sums.EXPIRED] += count
        for (model, hour), of_hour in added.hours.items():
            self._grow(model, hour, of_hour)

    def write_all(
        self, watermark_ms: int, sources: Sources, partition: int
    ) -> Iterator[KeyedMetrics]:
        """Move the window to the watermark, and yield the metrics of ``all`` that changed."""
        self.settle(sources)
        self._move(watermark_ms // HOUR_MS)
        name = partial(_record, sources=sources, partition=partition)
        for model in self._totals:
            yield name(model, ALL_AGENTS, self.series[model].total, window="all")
        for model in self._windows:
            yield name(model, ALL_AGENTS, self.series[model].window, window="24h")
        self._totals.clear()
        self._windows.clear()

    def write_agents(self, sources: Sources, partition: int) -> Iterator[KeyedMetrics]:
        """Yield the metrics of agents that changed since they were written, at most ``MAX_WRITTEN``."""
        self.settle(sources)
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
        """Take over the attributes of another instance; all metrics of ``all`` are written again."""
        self.series, self.agents, self.hour = series, agents, hour
        self.unwritten = dict.fromkeys(unwritten)
        self._totals, self._windows = dict.fromkeys(series), dict.fromkeys(series)

    def _row(self, key: AgentKey, hour: int) -> Row:
        """Return the row of an agent to add to, which changes its metrics."""
        self.unwritten[key] = None
        series = self.agents.get(key)
        if series is None:
            series = self.agents[key] = AgentSeries()
        return series.row_of(hour, self.hour - WINDOW_HOURS + 1)

    def _move(self, hour: int) -> None:
        """Drop the hours that left the window."""
        if hour <= self.hour:
            return
        self.hour = hour
        oldest = hour - WINDOW_HOURS + 1
        for model, series in self.series.items():
            for expired in [h for h in series.hours if h < oldest]:
                series.window.add(series.hours.pop(expired), -1)
                self._windows[model] = None
        for key, of_agent in self.agents.items():
            if of_agent.forget(oldest):
                self.unwritten[key] = None

    def _grow(self, model: int, hour: int, added: HourSums) -> None:
        series = self.series.get(model)
        if series is None:
            series = self.series[model] = MetricSeries()
            self._windows[model] = None
        series.total.add(added)
        self._totals[model] = None
        if hour > self.hour - WINDOW_HOURS:
            series.window.add(added)
            series.hours.setdefault(hour, HourSums()).add(added)
            self._windows[model] = None


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
