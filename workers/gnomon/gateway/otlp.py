"""Bodies of OTLP/HTTP, both encodings, as opentelemetry-proto's docs/specification.md has them."""

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
    """The tasks in an ``ExportTraceServiceRequest``.

    Raises:
        EventError: It is no such request.
        KeyError: ``media_type`` is none of OTLP's.
    """
    return to_events(_DECODERS[media_type](body))


def success(refused: Sequence[EventError], media_type: str) -> bytes:
    """``ExportTraceServiceResponse``; its ``partial_success`` only where spans were refused."""
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
    """``google.rpc.Status`` with its ``message`` (field 2) only; ``code`` is not used by OTLP."""
    if media_type != PROTOBUF:
        return json.dumps({"message": message}).encode()
    text = message.encode("ascii", "replace")[:MAX_MESSAGE]  # so the length is one byte
    return b"\x12" + bytes([len(text)]) + text
