"""What gnomon adds to the Prometheus client: restored counters, facts about the process, both formats."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from itertools import accumulate
from math import inf
from pathlib import Path
from typing import Final

from prometheus_client import (
    CollectorRegistry,
    Info,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.core import (
    CounterMetricFamily,
    Exemplar,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.gc_collector import GCCollector
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from gnomon.connection import KafkaSecurity
from gnomon.metric_names import METRICS, MetricName

BUCKETS: Final = (
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0,
)  # fmt: skip
"""Upper bounds of the histograms, in seconds."""

# OpenMetrics' time of creation would double the number of series.
disable_created_metrics()  # type: ignore[no-untyped-call]


class RestoredCounters(Collector):
    """Counters whose totals somebody else keeps, as a state that survives the process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._totals: dict[MetricName, dict[tuple[str, ...], float]] = {}
        registry.register(self)

    def set(self, name: MetricName, total: float, labels: tuple[str, ...]) -> None:
        """Replace the total of one counter."""
        self._totals.setdefault(name, {})[labels] = total

    def remove(self, name: MetricName, labels: tuple[str, ...]) -> None:
        """Stop showing one counter, if it was shown."""
        self._totals.get(name, {}).pop(labels, None)

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


class Durations(Collector):
    """A histogram without labels that takes many durations at once; shown when it has one.

    The library's takes a lock twice and counts up for each, which is a tenth of the vault's whole work.
    """

    def __init__(self, name: MetricName, registry: CollectorRegistry) -> None:
        self._name = name
        self._counts = [0] * (len(BUCKETS) + 1)
        self._sum = 0.0
        self._exemplars: list[Exemplar | None] = [None] * len(self._counts)
        registry.register(self)

    def add(self, durations: Sequence[float], *, example: tuple[float, str] | None = None) -> None:
        """Add durations in seconds, and one of them with the trace of which it is an example."""
        ordered, before = sorted(durations), 0
        for bucket, bound in enumerate((*BUCKETS, inf)):
            upto = bisect_right(ordered, bound, before)
            self._counts[bucket] += upto - before
            before = upto
        self._sum += sum(durations)
        if example is not None:
            seconds, trace_id = example
            self._exemplars[bisect_left(BUCKETS, seconds)] = Exemplar(
                {"trace_id": trace_id}, seconds
            )

    def describe(self) -> Iterable[Metric]:
        """Return nothing: names are not compared with those of other collectors."""
        return ()

    def collect(self) -> Iterable[Metric]:
        """Return the counts as they are now."""
        if not any(self._counts):
            return
        family = HistogramMetricFamily(self._name, METRICS[self._name].about)
        bounds = [*map(floatToGoString, BUCKETS), "+Inf"]
        counts = zip(bounds, accumulate(self._counts), self._exemplars, strict=True)
        buckets: list[tuple[str, float] | tuple[str, float, Exemplar]] = [
            (bound, count) if exemplar is None else (bound, count, exemplar)
            for bound, count, exemplar in counts
        ]
        family.add_metric((), buckets, self._sum)
        yield family


class CertificateExpiry(Collector):
    """When the certificates expire that reach Kafka, read anew at each look: files are replaced.

    The earliest certificate of each file counts. What cannot be read is not shown; connecting names it.
    """

    def __init__(self, security: KafkaSecurity, registry: CollectorRegistry) -> None:
        self._files = {"ca": security.ssl_cafile, "client": security.ssl_certfile}
        registry.register(self)

    def describe(self) -> Iterable[Metric]:
        """Return nothing: names are not compared with those of other collectors."""
        return ()

    def collect(self) -> Iterable[Metric]:
        """Return one gauge for each file that is configured and readable."""
        about = METRICS["gnomon_certificate_expiry_timestamp_seconds"]
        family = GaugeMetricFamily(
            "gnomon_certificate_expiry_timestamp_seconds", about.about, labels=about.labels
        )
        for name, path in self._files.items():
            expiry_s = _first_expiry_s(path) if path else None
            if expiry_s is not None:
                family.add_metric((name,), expiry_s)
        yield family


def _first_expiry_s(path: str) -> float | None:
    try:
        from cryptography import x509  # noqa: PLC0415  the gateway may run without it

        found = x509.load_pem_x509_certificates(Path(path).read_bytes())
    except (ImportError, OSError, ValueError):
        return None
    return min((each.not_valid_after_utc.timestamp() for each in found), default=None)


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


def exposition(registry: CollectorRegistry, accept: str) -> tuple[bytes, str]:
    """Return all metrics and their content type.

    Args:
        registry: The metrics.
        accept: HTTP's header of that name. Exemplars are shown only to who accepts OpenMetrics.
    """
    encode, content_type = choose_encoder(accept)
    return encode(registry), content_type
