"""A span as gnomon needs it, whoever it comes from."""

from collections.abc import Mapping

import msgspec

FAILED = 2
"""``STATUS_CODE_ERROR`` of OTLP; the text beside it may hold anything and is not read."""


class Span(msgspec.Struct, frozen=True, kw_only=True):
    """One span, running or ended. Nothing in it is checked yet.

    Attributes:
        trace_id: 32 hex digits, lower case.
        span_id: 16 hex digits, lower case.
        parent_span_id: The same; empty at the root of a trace.
        start_ns: Nanoseconds since 1970-01-01 UTC.
        end_ns: The same; 0 while it runs.
        attributes: Of the span; what is not in ``names.READ`` may be left out.
        failed: Whether its status is an error.
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
