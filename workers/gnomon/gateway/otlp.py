"""Bodies of OTLP/HTTP in both encodings, as specified in opentelemetry-proto docs/specification.md."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
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


def read_traces(body: bytes, media_type: str, skipped: Counter[str]) -> TraceEvents:
    """Return the task events of an ``ExportTraceServiceRequest``.

    Args:
        body: The request.
        media_type: ``JSON`` or ``PROTOBUF``.
        skipped: Where spans that are no tasks are counted, by the reason.

    Raises:
        EventError: The body is not such a request.
        KeyError: ``media_type`` is neither ``JSON`` nor ``PROTOBUF``.
    """
    return to_events(_DECODERS[media_type](body, skipped))


def success(
    refused: Sequence[EventError], media_type: str, skipped: Mapping[str, int] | None = None
) -> bytes:
    """Encode an ``ExportTraceServiceResponse``, with ``partial_success`` if there is something to say.

    Args:
        refused: One error for each span that should be a task and is none.
        media_type: ``JSON`` or ``PROTOBUF``.
        skipped: Spans that are no tasks, by the reason. OTLP has such a warning in ``partial_success``
            too, with no span rejected.
    """
    if not refused and not skipped:
        return b"{}" if media_type == JSON else b""
    reasons = Counter(error.reason for error in refused)
    parts = [f"{count} {reason}" for reason, count in reasons.items()]
    parts += [f"{count} no task ({reason})" for reason, count in (skipped or {}).items()]
    message = ", ".join(parts)
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
