"""Prometheus metrics of the gateway."""

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge

from gnomon.client.stats import Stats
from gnomon.metric_names import METRICS, MetricName
from gnomon.prometheus import RestoredCounters, describe_process, exposition


class GatewayMetrics:
    """Counters of requests, of events, and of what became of them.

    Args:
        version: Version of gnomon.
        settings: Hash of the settings.
    """

    def __init__(self, *, version: str = "", settings: str = "") -> None:
        self._registry = CollectorRegistry()
        describe_process(self._registry, stage="gateway", version=version, settings=settings)
        self._requests = self._counter("gnomon_gateway_requests_total")
        self._events = self._counter("gnomon_gateway_events_total")
        self._skipped = self._counter("gnomon_gateway_skipped_spans_total")
        about = METRICS["gnomon_gateway_waiting_events"]
        self._waiting = Gauge(
            "gnomon_gateway_waiting_events", about.about, about.labels, registry=self._registry
        )
        self._ended = RestoredCounters(self._registry)

    def _counter(self, name: MetricName) -> Counter:
        metric = METRICS[name]
        return Counter(name, metric.about, metric.labels, registry=self._registry)

    def request(self, route: str, status: int) -> None:
        """Count one answered request."""
        self._requests.labels(route, str(status)).inc()

    def events(self, route: str, *, taken: int, refused: int, no_room: int) -> None:
        """Count the events of one request by what happened to them."""
        for state, count in (("taken", taken), ("refused", refused), ("no_room", no_room)):
            self._events.labels(route, state).inc(count)

    def skipped(self, reasons: Mapping[str, int]) -> None:
        """Count the spans of one request that are no tasks, by the reason."""
        for reason, count in reasons.items():
            self._skipped.labels(reason).inc(count)

    def exposition(self, stats: Stats, accept: str = "") -> tuple[bytes, str]:
        """Return all metrics and their content type, in the best format that ``accept`` names."""
        for state in ("delivered", "failed", "spooled", "dropped"):
            self._ended.set("gnomon_gateway_delivery_total", getattr(stats, state), (state,))
        for state in ("buffered", "in_flight"):
            self._waiting.labels(state).set(getattr(stats, state))
        return exposition(self._registry, accept)
