"""Decodes OTLP's JSON: ``ExportTraceServiceRequest``, or the Collector's ``otlp_json`` records.

The encoding is protobuf's JSON mapping with two differences (opentelemetry-proto,
docs/specification.md, "JSON Protobuf Encoding"): ids are hexadecimal in either case, and enums are
numbers only. A 64-bit number may be a string or a number, ``null`` means the default, and unknown
names are ignored.
"""

import re
from collections import Counter
from typing import Final

import msgspec

from gnomon.codec import UNDECODABLE
from gnomon.errors import EventError
from gnomon.otel.conventions import of_name, read_kind
from gnomon.otel.names import READ, SERVICE
from gnomon.otel.span import FAILED, Span

_WHOLE: Final = re.compile(r"-?[0-9]{1,20}")


class _Message(msgspec.Struct, rename="camel", gc=False):
    """A protobuf message: camel-case names, anything unknown ignored."""


class _Value(_Message):
    string_value: str | None = None
    bool_value: bool | None = None
    int_value: int | str | None = None
    double_value: float | str | None = None


class _KeyValue(_Message):
    key: str | None = None
    value: _Value | None = None


class _Resource(_Message):
    attributes: list[_KeyValue] | None = None


class _Status(_Message):
    code: int | None = None


class _Scope(_Message):
    name: str | None = None


class _Span(_Message):
    name: str | None = None
    trace_id: str | None = None
    span_id: str | None = None
    parent_span_id: str | None = None
    start_time_unix_nano: int | str | None = None
    end_time_unix_nano: int | str | None = None
    attributes: list[_KeyValue] | None = None
    status: _Status | None = None


class _ScopeSpans(_Message):
    scope: _Scope | None = None
    spans: list[msgspec.Raw] | None = None


class _ResourceSpans(_Message):
    resource: _Resource | None = None
    scope_spans: list[_ScopeSpans] | None = None


class _Request(_Message):
    resource_spans: list[_ResourceSpans] | None = None


_decode_request: Final = msgspec.json.Decoder(_Request).decode
_decode_span: Final = msgspec.json.Decoder(_Span).decode


def decode_json(body: bytes, skipped: Counter[str] | None = None) -> list[Span | EventError]:
    """Return the spans of ``body`` that are tasks, with an error for each that cannot be read.

    Args:
        body: The bytes that were received.
        skipped: Where the other spans are counted, by the reason why they are no tasks.

    Raises:
        EventError: ``body`` is not an ``ExportTraceServiceRequest``.
    """
    try:
        request = _decode_request(body)
    except UNDECODABLE as error:
        raise EventError("not_otlp", str(error)) from error
    found: list[Span | EventError] = []
    for resource_spans in request.resource_spans or ():
        resource = resource_spans.resource
        service = _values(resource.attributes if resource else None).get(SERVICE)
        for scope_spans in resource_spans.scope_spans or ():
            for raw in scope_spans.spans or ():
                scope = scope_spans.scope.name if scope_spans.scope else None
                span = _read(raw, scope, service if isinstance(service, str) else "")
                if not isinstance(span, str):
                    found.append(span)
                elif skipped is not None:
                    skipped[span] += 1
    return found


def _read(raw: msgspec.Raw, scope: str | None, service: str) -> Span | EventError | str:
    """Return the span, or the reason why it is no task."""
    try:
        span = _decode_span(raw)
    except UNDECODABLE as error:
        return EventError("invalid_span", str(error))
    attributes = _values(span.attributes) | of_name(scope, span.name)
    kind = read_kind(attributes)
    if isinstance(kind, str):
        return kind
    return Span(
        trace_id=(span.trace_id or "").lower(),
        span_id=(span.span_id or "").lower(),
        parent_span_id=(span.parent_span_id or "").lower(),
        start_ns=_whole(span.start_time_unix_nano) or 0,
        end_ns=_whole(span.end_time_unix_nano) or 0,
        attributes={name: value for name, value in attributes.items() if name in READ},
        failed=span.status is not None and span.status.code == FAILED,
        service=service,
    )


def _values(attributes: list[_KeyValue] | None) -> dict[str, object]:
    """Return text, numbers and booleans by key. Arrays, maps and bytes become ``None``."""
    return {pair.key: _plain(pair.value) for pair in attributes or () if pair.key and pair.value}


def _plain(value: _Value) -> object:
    if value.string_value is not None:
        return value.string_value
    if value.int_value is not None:
        return _whole(value.int_value)
    return value.bool_value if value.bool_value is not None else value.double_value


def _whole(value: int | str | None) -> int | None:
    if isinstance(value, str):
        return int(value) if _WHOLE.fullmatch(value) else None
    return value
