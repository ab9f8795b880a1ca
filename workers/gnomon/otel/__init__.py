"""OpenTelemetry's GenAI spans as task events: pure, and free of OpenTelemetry's own packages.

``otlp_proto`` alone needs ``opentelemetry-proto``; whoever is sent protobuf imports it.
"""

from gnomon.otel.mapping import MAPPING_VERSION, finished, started
from gnomon.otel.otlp_json import decode_json
from gnomon.otel.span import Span
from gnomon.otel.traces import TraceEvents, to_events

__all__ = [
    "MAPPING_VERSION",
    "Span",
    "TraceEvents",
    "decode_json",
    "finished",
    "started",
    "to_events",
]
