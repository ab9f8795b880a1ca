"""What the gateway counts, for Prometheus."""

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest

from gnomon.client.stats import Stats
from gnomon.telemetry import METRICS, MetricName


class GatewayMetrics:
    """Requests and events as they come in, and the client's figures as they are asked for."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = self._counter("gnomon_gateway_requests_total")
        self._events = self._counter("gnomon_gateway_events_total")
        about = METRICS["gnomon_gateway_delivery"]
        self._delivery = Gauge(
            "gnomon_gateway_delivery", about.about, about.labels, registry=self._registry
        )

    def _counter(self, name: MetricName) -> Counter:
        metric = METRICS[name]
        return Counter(name, metric.about, metric.labels, registry=self._registry)

    def request(self, route: str, status: int) -> None:
        """One request was answered."""
        self._requests.labels(route, str(status)).inc()

    def events(self, route: str, *, taken: int, refused: int, no_room: int) -> None:
        """So many events of one request were taken, or not."""
        for state, count in (("taken", taken), ("refused", refused), ("no_room", no_room)):
            self._events.labels(route, state).inc(count)

    def exposition(self, stats: Stats) -> bytes:
        """All of them in Prometheus's text format."""
        for state in ("delivered", "failed", "spooled", "buffered", "in_flight", "dropped"):
            self._delivery.labels(state).set(getattr(stats, state))
        return generate_latest(self._registry)
