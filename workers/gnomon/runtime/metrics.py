"""The metrics of a worker as Prometheus objects in a registry of their own."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from time import perf_counter
from typing import Any, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from gnomon.connection import KafkaSecurity
from gnomon.metric_names import METRICS, ON_STAGES, MetricName
from gnomon.prometheus import (
    BUCKETS,
    CertificateExpiry,
    Durations,
    RestoredCounters,
    describe_process,
    exposition,
)

Labelled = TypeVar("Labelled", Counter, Gauge, Histogram)


class Metrics:
    """Counters, gauges and histograms by name; mypy rejects an unknown name.

    Counters are shown from the beginning: a rate needs a 0 before the first 1. A gauge or histogram is
    shown when it has a value: a 0 that nobody measured would be read as one.

    Args:
        names: The metrics of this process.
    """

    def __init__(self, names: frozenset[MetricName] = ON_STAGES) -> None:
        self._registry = CollectorRegistry()
        self._counters: dict[MetricName, Counter] = {}
        self._gauges: dict[MetricName, Gauge] = {}
        self._histograms: dict[MetricName, Histogram] = {}
        self._durations: dict[MetricName, Durations] = {}
        self._restored = RestoredCounters(self._registry)
        self._shown: dict[MetricName, frozenset[tuple[str, ...]]] = {}
        self._of_partition: dict[str, set[tuple[MetricName, tuple[str, ...]]]] = {}
        # The library looks for labels under a lock and checks them each time: a tenth of a small batch.
        # A restored counter has no object of its own.
        self._labelled: dict[tuple[MetricName, tuple[str, ...]], Any] = {}
        for name in names:
            metric = METRICS[name]
            if metric.kind == "counter" and not metric.restored:
                self._counters[name] = Counter(
                    name, metric.about, metric.labels, registry=self._registry
                )

    def describe_process(self, *, stage: str, version: str, settings: str) -> None:
        """Add what is known of the process: memory, processor time, files, Python, and its build."""
        describe_process(self._registry, stage=stage, version=version, settings=settings)

    def watch_certificates(self, security: KafkaSecurity) -> None:
        """Show when the certificates expire by which the process reaches Kafka."""
        CertificateExpiry(security, self._registry)

    def count(self, name: MetricName, amount: float, *labels: str) -> None:
        """Add ``amount`` to a counter."""
        self._of(self._counters[name], name, labels).inc(amount)

    def count_to(self, name: MetricName, total: float, *labels: str) -> None:
        """Set a restored counter to the total that the state has."""
        if (name, labels) not in self._labelled:
            self._note_partition(name, labels)
            self._labelled[name, labels] = None
        self._restored.set(name, total, labels)

    def set(self, name: MetricName, value: float, *labels: str) -> None:
        """Set a gauge."""
        gauge = self._gauges.get(name)
        if gauge is None:
            metric = METRICS[name]
            gauge = Gauge(name, metric.about, metric.labels, registry=self._registry)
            self._gauges[name] = gauge
        self._of(gauge, name, labels).set(value)

    def set_all(self, name: MetricName, values: Mapping[tuple[str, ...], float]) -> None:
        """Set a gauge or restored counter for each of ``values``, by labels, and show no others of it."""
        restored = METRICS[name].restored
        for labels in self._shown.get(name, frozenset()) - values.keys():
            self.remove(name, *labels)
        self._shown[name] = frozenset(values)
        for labels, value in values.items():
            (self.count_to if restored else self.set)(name, value, *labels)

    @contextmanager
    def time(self, name: MetricName, *labels: str, trace_id: str | None = None) -> Iterator[None]:
        """Observe how many seconds the body takes, whether or not it raises."""
        began_s = perf_counter()
        try:
            yield
        finally:
            self.observe(name, perf_counter() - began_s, *labels, trace_id=trace_id)

    def observe(
        self, name: MetricName, seconds: float, *labels: str, trace_id: str | None = None
    ) -> None:
        """Add a duration to a histogram, with the trace of which it is an example."""
        histogram = self._histograms.get(name)
        if histogram is None:
            metric = METRICS[name]
            histogram = Histogram(
                name, metric.about, metric.labels, registry=self._registry, buckets=BUCKETS
            )
            self._histograms[name] = histogram
        exemplar = None if trace_id is None else {"trace_id": trace_id}
        self._of(histogram, name, labels).observe(seconds, exemplar)

    def observe_all(
        self,
        name: MetricName,
        durations: Sequence[float],
        *,
        example: tuple[float, str] | None = None,
    ) -> None:
        """Add durations in seconds to a histogram without labels, which ``observe`` never gets.

        Args:
            name: Of the histogram.
            durations: In seconds.
            example: One of them and its trace.
        """
        if name not in self._durations:
            self._durations[name] = Durations(name, self._registry)
        self._durations[name].add(durations, example=example)

    def remove(self, name: MetricName, *labels: str) -> None:
        """Stop showing a metric for ``labels``, if it was shown."""
        self._labelled.pop((name, labels), None)
        metric = self._counters.get(name) or self._gauges.get(name) or self._histograms.get(name)
        if metric is None:
            self._restored.remove(name, labels)
            return
        with contextlib.suppress(KeyError):
            metric.remove(*labels)

    def drop_partition(self, partition: str) -> None:
        """Stop showing what belongs to a partition: another worker shows it from now on."""
        for name, labels in self._of_partition.pop(partition, ()):
            self.remove(name, *labels)

    def exposition(self, accept: str = "") -> tuple[bytes, str]:
        """Return all metrics and their content type, in the best format that ``accept`` names."""
        return exposition(self._registry, accept)

    def _of(self, metric: Labelled, name: MetricName, labels: tuple[str, ...]) -> Labelled:
        """Return ``metric`` for ``labels``."""
        if not labels:
            return metric
        found: Labelled | None = self._labelled.get((name, labels))
        if found is None:
            self._note_partition(name, labels)
            found = self._labelled[name, labels] = metric.labels(*labels)
        return found

    def _note_partition(self, name: MetricName, labels: tuple[str, ...]) -> None:
        for label, value in zip(METRICS[name].labels, labels, strict=True):
            if label == "partition":
                self._of_partition.setdefault(value, set()).add((name, labels))
