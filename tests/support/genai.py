"""GenAI spans made by OpenTelemetry's own SDK and encoded by its own encoders: oracles."""

import base64
import json
from collections.abc import Sequence
from typing import Any

from google.protobuf.json_format import MessageToDict
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

SECOND_NS = 1_000_000_000
_IDS = frozenset({"traceId", "spanId", "parentSpanId"})


class Recorder:
    """A tracer provider that keeps what has ended."""

    def __init__(self, *, service: str = "desk") -> None:
        self.exporter = InMemorySpanExporter()
        self.provider = TracerProvider(
            resource=Resource({"service.name": service}), shutdown_on_exit=False
        )
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.tracer = self.provider.get_tracer("tests")

    def ended(self) -> Sequence[ReadableSpan]:
        """The spans that have ended, in that order."""
        return self.exporter.get_finished_spans()


def as_protobuf(spans: Sequence[ReadableSpan]) -> bytes:
    """As the OTLP exporter and the Collector send them."""
    encoded: bytes = encode_spans(spans).SerializeToString()
    return encoded


def as_json(spans: Sequence[ReadableSpan]) -> bytes:
    """The same in protobuf's JSON mapping, with OTLP's two differences."""
    message = MessageToDict(encode_spans(spans), use_integers_for_enums=True)
    return json.dumps(_with_hex_ids(message)).encode()


def _with_hex_ids(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: base64.b64decode(inner).hex() if key in _IDS else _with_hex_ids(inner)
            for key, inner in value.items()
        }
    return [_with_hex_ids(inner) for inner in value] if isinstance(value, list) else value
