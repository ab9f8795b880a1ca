"""Turns OpenTelemetry's GenAI spans into task events. Pure.

Only the module ``otlp_proto`` needs a package of OpenTelemetry (``opentelemetry-proto``); it is
imported only where protobuf is received.
"""

from gnomon.otel.mapping import MAPPING_VERSION, finished, named_agent, started
from gnomon.otel.otlp_json import decode_json
from gnomon.otel.span import Span
from gnomon.otel.traces import TraceEvents, to_events

__all__ = [
    "MAPPING_VERSION",
    "Span",
    "TraceEvents",
    "decode_json",
    "finished",
    "named_agent",
    "started",
    "to_events",
]
