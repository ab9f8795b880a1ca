"""Bodies of OTLP/HTTP in both encodings, as specified in opentelemetry-proto docs/specification.md."""

import json
from collections import Counter
from collections.abc import Sequence
from typing import Final

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceResponse,
)

from gnomon.errors import EventError
from gnomon.otel import TraceEvents, decode_json, to_events
from gnomon.otel.otlp_proto import decode_protobuf

JSON: Final = "application/json"
PROTOBUF: Final = "application/x-protobuf"
_DECODERS: Final = {JSON: decode_json, PROTOBUF: decode_protobuf}
MAX_MESSAGE: Final = 120


def read_traces(body: bytes, media_type: str) -> TraceEvents:
    """Return the task events of an ``ExportTraceServiceRequest``.

    Raises:
        EventError: The body is not such a request.
        KeyError: ``media_type`` is neither ``JSON`` nor ``PROTOBUF``.
    """
    return to_events(_DECODERS[media_type](body))


def success(refused: Sequence[EventError], media_type: str) -> bytes:
    """Encode an ``ExportTraceServiceResponse``, with ``partial_success`` if spans were refused."""
    if not refused:
        return b"{}" if media_type == JSON else b""
    reasons = Counter(error.reason for error in refused)
    message = ", ".join(f"{count} {reason}" for reason, count in reasons.items())
    if media_type == JSON:
        partial = {"rejectedSpans": str(len(refused)), "errorMessage": message}
        return json.dumps({"partialSuccess": partial}).encode()
    response = ExportTraceServiceResponse(
        partial_success=ExportTracePartialSuccess(
            rejected_spans=len(refused), error_message=message
        )
    )
    encoded: bytes = response.SerializeToString()
    return encoded


def failure(message: str, media_type: str) -> bytes:
    """Encode a ``google.rpc.Status`` with ``message`` (field 2) only; OTLP does not use ``code``."""
    if media_type != PROTOBUF:
        return json.dumps({"message": message}).encode()
    text = message.encode("ascii", "replace")[:MAX_MESSAGE]  # its length then fits one byte
    return b"\x12" + bytes([len(text)]) + text
