"""A span in a form that is independent of how it was received."""

from collections.abc import Mapping

import msgspec

FAILED = 2
"""``STATUS_CODE_ERROR`` of OTLP. The text of the status is not read: it may contain anything."""


class Span(msgspec.Struct, frozen=True, kw_only=True):
    """One span, running or ended. Its values are not validated.

    Attributes:
        trace_id: 32 hex digits, lower case.
        span_id: 16 hex digits, lower case.
        parent_span_id: Id of the span around it, 16 hex digits; empty at the root of a trace.
        start_ns: Start, nanoseconds since 1970-01-01 UTC.
        end_ns: End, nanoseconds since 1970-01-01 UTC; 0 while the span is running.
        attributes: Attributes of the span, at least those in ``names.READ``.
        failed: Whether the status is an error.
        service: The resource's ``service.name``.
    """

    trace_id: str
    span_id: str
    parent_span_id: str = ""
    start_ns: int
    end_ns: int = 0
    attributes: Mapping[str, object] = {}
    failed: bool = False
    service: str = ""
