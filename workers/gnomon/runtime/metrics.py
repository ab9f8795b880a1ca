"""The metrics that ``gnomon.telemetry`` declares, as Prometheus objects in a registry of their own."""

import contextlib
from contextlib import AbstractContextManager

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from gnomon.prometheus import RestoredCounters, describe_process
from gnomon.telemetry import METRICS, MetricName

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Metrics:
    """Counters, gauges and histograms by name; mypy rejects an unknown name."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._counters: dict[str, Counter] = {}
        self._gauges: dict[str, Gauge] = {}
        self._histograms: dict[str, Histogram] = {}
        self._restored = RestoredCounters(self._registry)
        for name, metric in METRICS.items():
            of = (name, metric.about, metric.labels)
            if metric.kind == "counter" and not metric.restored:
                self._counters[name] = Counter(*of, registry=self._registry)
            elif metric.kind == "gauge":
                self._gauges[name] = Gauge(*of, registry=self._registry)
            elif metric.kind == "histogram":
                self._histograms[name] = Histogram(*of, registry=self._registry, buckets=BUCKETS)

    def describe_process(self, *, stage: str, version: str, settings: str) -> None:
        """Add what is known of the process: memory, processor time, files, Python, and its build."""
        describe_process(self._registry, stage=stage, version=version, settings=settings)

    def count(self, name: MetricName, amount: float, *labels: str) -> None:
        """Add ``amount`` to a counter."""
        counter = self._counters[name]
        (counter.labels(*labels) if labels else counter).inc(amount)

    def count_to(self, name: MetricName, total: float, *labels: str) -> None:
        """Set a restored counter to the total that the state has."""
        self._restored.set(name, total, labels)

    def set(self, name: MetricName, value: float, *labels: str) -> None:
        """Set a gauge."""
        gauge = self._gauges[name]
        (gauge.labels(*labels) if labels else gauge).set(value)

    def time(self, name: MetricName, *labels: str) -> AbstractContextManager[object]:
        """Return a context manager that observes how many seconds it is open."""
        histogram = self._histograms[name]
        return (histogram.labels(*labels) if labels else histogram).time()

    def observe(self, name: MetricName, seconds: float, *labels: str) -> None:
        """Add a duration to a histogram."""
        histogram = self._histograms[name]
        (histogram.labels(*labels) if labels else histogram).observe(seconds)

    def remove(self, name: MetricName, *labels: str) -> None:
        """Stop showing a metric for ``labels``, if it was shown."""
        metric = self._counters.get(name) or self._gauges.get(name) or self._histograms[name]
        with contextlib.suppress(KeyError):
            metric.remove(*labels)

    def exposition(self) -> bytes:
        """Return all metrics in Prometheus's text format."""
        return generate_latest(self._registry)
