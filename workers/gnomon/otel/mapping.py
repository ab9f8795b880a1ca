"""Maps a span of an agent or a tool to the events of one task.

The task id is made of the ids of the span, so a span that arrives twice is still one task. Only
names, counts and times are copied, never a message, an argument or the text of a status, because
those may contain what a person wrote.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Final

from gnomon.errors import EventError
from gnomon.events import ContextValue, TaskFinished, TaskStarted
from gnomon.otel.conventions import TOOL_CALL, Convention, read_kind
from gnomon.otel.names import AGENT, CONTEXT, COUNTS, ERROR_TYPE, OUTCOME, TOOL
from gnomon.otel.span import Span

MAPPING_VERSION: Final = 2
"""Version of these mapping rules, written to ``otel_mapping`` in the outcome of each event."""
UNKNOWN_AGENT: Final = "unknown_agent"
MAX_TEXT: Final = 256
MAX_COUNT: Final = 2**53
MAX_NS: Final = 2**64
MAX_DURATION_NS: Final = 9_000_000 * 10**9
_TRACE_ID: Final = re.compile(r"(?!0{32})[0-9a-f]{32}")
_SPAN_ID: Final = re.compile(r"(?!0{16})[0-9a-f]{16}")


def started(span: Span) -> TaskStarted | None:
    """Return the start of the task that ``span`` represents; ``None`` if it is not a task.

    Raises:
        EventError: The ids or the start of the span are invalid.
    """
    kind = read_kind(span.attributes)
    if isinstance(kind, str):
        return None
    convention, operation = kind
    task_id = _task_id(span)
    if not 0 < span.start_ns < MAX_NS:
        raise EventError("span_times", "the start must be after 1970 and fit 64 bits")
    return TaskStarted(
        agent_id=named_agent(span) or _text(span.service) or UNKNOWN_AGENT,
        task_id=task_id,
        task_type=_task_type(convention, operation, span.attributes),
        started_at_ms=span.start_ns // 1_000_000,
        context=_texts(span.attributes, CONTEXT),
        traceparent=_traceparent(span),
    )


def finished(span: Span, start: TaskStarted | None = None) -> TaskFinished | None:
    """Return the end of the task that ``span`` represents; ``None`` if it is not a task.

    Args:
        span: A span that has ended.
        start: The start that was published, if that was before all attributes were known. Agent,
            task type and context are copied from it.

    Raises:
        EventError: The ids or times of the span are invalid, or it ended before it began.
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


def named_agent(span: Span) -> str | None:
    """Return the agent that an attribute of the span names, if one does."""
    kind = read_kind(span.attributes)
    if isinstance(kind, str):
        return None
    convention, operation = kind
    own = convention.caller if operation == TOOL_CALL else convention.agent
    return _first(span.attributes, (*own, *AGENT))


def _task_id(span: Span) -> str:
    if not _TRACE_ID.fullmatch(span.trace_id) or not _SPAN_ID.fullmatch(span.span_id):
        raise EventError(
            "span_ids", "expected a trace id of 16 bytes and a span id of 8 bytes, not all zero"
        )
    return f"{span.trace_id}-{span.span_id}"


def _task_type(convention: Convention, operation: str, attributes: Mapping[str, object]) -> str:
    """Return the operation, or ``tool:<name>`` for a tool, as the framework integrations do."""
    tool = _first(attributes, (*convention.tool, *TOOL)) if operation == TOOL_CALL else None
    return f"tool:{tool}"[:MAX_TEXT] if tool else operation


def _traceparent(span: Span) -> str | None:
    """Return the parent span as a W3C ``traceparent``. Exported spans were sampled: flag ``01``."""
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
    """Return ``value`` as valid Unicode of at most ``MAX_TEXT`` characters; ``None`` if no text."""
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
