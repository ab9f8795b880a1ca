"""From a GenAI span to the task events it means.

The ids are made of the span's own, so one span is one task however often and on whatever way it
comes. Only facts are taken over: names, counts, times. Never a message, an argument or a status
text, since those may hold what a person said.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Final

from gnomon.errors import EventError
from gnomon.events import ContextValue, TaskFinished, TaskStarted
from gnomon.otel.names import (
    AGENT,
    CONTEXT,
    COUNTS,
    ERROR_TYPE,
    OPERATION,
    OUTCOME,
    TASKS,
    TOOL,
)
from gnomon.otel.span import Span

MAPPING_VERSION: Final = 1
"""Says by which rules an event was made, as ``otel_mapping`` in its outcome."""
UNKNOWN_AGENT: Final = "unknown_agent"
MAX_TEXT: Final = 256
MAX_COUNT: Final = 2**53
MAX_NS: Final = 2**64
MAX_DURATION_NS: Final = 9_000_000 * 10**9
_TRACE_ID: Final = re.compile(r"(?!0{32})[0-9a-f]{32}")
_SPAN_ID: Final = re.compile(r"(?!0{16})[0-9a-f]{16}")


def started(span: Span) -> TaskStarted | None:
    """The start of the task that ``span`` is, ``None`` if it is none.

    Raises:
        EventError: Its ids or its time cannot be.
    """
    operation = _operation(span)
    if operation is None:
        return None
    task_id = _task_id(span)
    if not 0 < span.start_ns < MAX_NS:
        raise EventError("span_times", "the start must be after 1970 and fit 64 bits")
    return TaskStarted(
        agent_id=_first(span.attributes, AGENT) or _text(span.service) or UNKNOWN_AGENT,
        task_id=task_id,
        task_type=_task_type(operation, span.attributes),
        started_at_ms=span.start_ns // 1_000_000,
        context=_texts(span.attributes, CONTEXT),
        traceparent=_traceparent(span),
    )


def finished(span: Span, start: TaskStarted | None = None) -> TaskFinished | None:
    """The end of the task that ``span`` is, ``None`` if it is none.

    Args:
        span: Ended.
        start: What was said as it began, if that was before all attributes were known; agent,
            type and context stay as they were then.

    Raises:
        EventError: Its ids or times cannot be, or it ended before it began.
    """
    start = start or started(span)
    if start is None:
        return None
    duration_ns = span.end_ns - span.start_ns
    if not 0 <= duration_ns <= MAX_DURATION_NS:
        raise EventError("span_times", "the end must be within 9,000,000 s after the start")
    error_type = _first(span.attributes, ERROR_TYPE)
    return TaskFinished(
        agent_id=start.agent_id,
        task_id=start.task_id,
        task_type=start.task_type,
        started_at_ms=start.started_at_ms,
        finished_at_ms=span.end_ns // 1_000_000,
        duration_s=duration_ns / 1e9,
        succeeded=not span.failed and error_type is None,
        error_type=error_type,
        context=start.context,
        outcome={
            "otel_mapping": MAPPING_VERSION,
            **_counts(span.attributes),
            **_texts(span.attributes, OUTCOME),
        },
        traceparent=start.traceparent,
    )


def _operation(span: Span) -> str | None:
    operation = span.attributes.get(OPERATION)
    return operation if isinstance(operation, str) and operation in TASKS else None


def _task_id(span: Span) -> str:
    if not _TRACE_ID.fullmatch(span.trace_id) or not _SPAN_ID.fullmatch(span.span_id):
        raise EventError("span_ids", "a span has 16 and 8 bytes of ids that are not all zero")
    return f"{span.trace_id}-{span.span_id}"


def _task_type(operation: str, attributes: Mapping[str, object]) -> str:
    """The operation, or the tool as the integrations of frameworks name it."""
    tool = _first(attributes, TOOL) if operation == "execute_tool" else None
    return f"tool:{tool}"[:MAX_TEXT] if tool else operation


def _traceparent(span: Span) -> str | None:
    """The span around this one, in W3C Trace Context's form; what is exported was sampled."""
    if not _SPAN_ID.fullmatch(span.parent_span_id):
        return None
    return f"00-{span.trace_id}-{span.parent_span_id}-01"


def _first(attributes: Mapping[str, object], names: Sequence[str]) -> str | None:
    for name in names:
        if text := _text(attributes.get(name)):
            return text
    return None


def _texts(
    attributes: Mapping[str, object], groups: Mapping[str, Sequence[str]]
) -> dict[str, ContextValue]:
    found = {name: _first(attributes, names) for name, names in groups.items()}
    return {name: text for name, text in found.items() if text is not None}


def _text(value: object) -> str | None:
    """Text that JSON can hold, and no more of it than an identifier may have."""
    if not isinstance(value, str):
        return None
    return value[:MAX_TEXT].encode(errors="replace").decode() or None


def _counts(attributes: Mapping[str, object]) -> dict[str, ContextValue]:
    counts: dict[str, ContextValue] = {}
    for name, names in COUNTS.items():
        for attribute in names:
            value = attributes.get(attribute)
            if type(value) is int and 0 <= value < MAX_COUNT:
                counts[name] = value
                break
    return counts
