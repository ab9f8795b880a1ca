"""Decodes OTLP's protobuf: ``ExportTraceServiceRequest``, or the Collector's ``otlp_proto`` records.

Both are the same bytes. This module needs ``opentelemetry-proto`` and is imported only where such
bytes are received.
"""

from collections import Counter
from collections.abc import Iterable

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span as ProtoSpan

from gnomon.errors import EventError
from gnomon.otel.conventions import of_name, read_kind
from gnomon.otel.names import READ, SERVICE
from gnomon.otel.span import FAILED, Span

_PLAIN = frozenset({"string_value", "bool_value", "int_value", "double_value"})


def decode_protobuf(body: bytes, skipped: Counter[str] | None = None) -> list[Span | EventError]:
    """Return the spans of ``body`` that are tasks.

    Args:
        body: The bytes that were received.
        skipped: Where the other spans are counted, by the reason why they are no tasks.

    Raises:
        EventError: ``body`` is not an ``ExportTraceServiceRequest``.
    """
    try:
        request = ExportTraceServiceRequest.FromString(body)
    except DecodeError as error:
        raise EventError("not_otlp", "the body is not an ExportTraceServiceRequest") from error
    found: list[Span | EventError] = []
    for resource_spans in request.resource_spans:
        service = _values(resource_spans.resource.attributes, {SERVICE}).get(SERVICE)
        for scope_spans in resource_spans.scope_spans:
            for span in scope_spans.spans:
                attributes = _values(span.attributes, READ)
                attributes |= of_name(scope_spans.scope.name, span.name)
                kind = read_kind(attributes)
                if not isinstance(kind, str):
                    found.append(
                        _span(span, attributes, service if isinstance(service, str) else "")
                    )
                elif skipped is not None:
                    skipped[kind] += 1
    return found


def _span(span: ProtoSpan, attributes: dict[str, object], service: str) -> Span:
    return Span(
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_span_id=span.parent_span_id.hex(),
        start_ns=span.start_time_unix_nano,
        end_ns=span.end_time_unix_nano,
        attributes=attributes,
        failed=span.status.code == FAILED,
        service=service,
    )


def _values(attributes: Iterable[KeyValue], names: Iterable[str]) -> dict[str, object]:
    return {pair.key: _plain(pair.value) for pair in attributes if pair.key in names}


def _plain(value: AnyValue) -> object:
    kind = value.WhichOneof("value")
    return getattr(value, kind) if kind in _PLAIN else None
