"""What gnomon adds to the Prometheus client: counters told their totals, and facts about the process."""

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Info, PlatformCollector, ProcessCollector
from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.gc_collector import GCCollector
from prometheus_client.registry import Collector

from gnomon.telemetry import METRICS, MetricName


class RestoredCounters(Collector):
    """Counters whose totals somebody else keeps, as a state that survives the process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._totals: dict[MetricName, dict[tuple[str, ...], float]] = {}
        registry.register(self)

    def set(self, name: MetricName, total: float, labels: tuple[str, ...]) -> None:
        """Replace the total of one counter."""
        self._totals.setdefault(name, {})[labels] = total

    def describe(self) -> Iterable[Metric]:
        """Return nothing: names are not compared with those of other collectors."""
        return ()

    def collect(self) -> Iterable[Metric]:
        """Return the totals as they are now."""
        for name, totals in list(self._totals.items()):
            about = METRICS[name]
            family = CounterMetricFamily(name, about.about, labels=about.labels)
            for labels, total in list(totals.items()):
                family.add_metric(labels, total)
            yield family


def describe_process(
    registry: CollectorRegistry, *, stage: str, version: str, settings: str
) -> None:
    """Add the process's memory, processor time and files, its Python, and its own build."""
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    about = METRICS["gnomon_build"]
    build = Info("gnomon_build", about.about, registry=registry)
    build.info({"stage": stage, "version": version, "settings": settings})
