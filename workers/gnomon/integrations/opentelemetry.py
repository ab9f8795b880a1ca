"""Publishes OpenTelemetry's GenAI spans as tasks, inside the agent's process.

``GnomonSpanProcessor`` publishes the start of a task when its span begins::

    provider.add_span_processor(GnomonSpanProcessor())

``GnomonSpanExporter`` needs no change of code, but receives only spans that have ended. It
publishes start and end together: ``OTEL_TRACES_EXPORTER=gnomon opentelemetry-instrument python
app.py``. ``gnomon.otel`` defines which spans are tasks and which attributes are read.
"""

import atexit
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Protocol

from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace import Span as SdkSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.trace import StatusCode, get_tracer_provider

from gnomon.events import TaskCancelled, TaskStarted
from gnomon.integrations.guarded import guarded
from gnomon.integrations.recording import Emitter, default_client
from gnomon.otel import Span, finished, named_agent, started, to_events
from gnomon.otel.conventions import TASKS, TOOL_CALL, is_task, of_name
from gnomon.otel.names import READ, SERVICE

MAX_OPEN_SPANS = 10_000
"""Most spans whose start is remembered. A span whose start was dropped is mapped at its end."""
FLUSH_MILLIS = 30_000
EXIT_S = 2.0


class FlushingEmitter(Emitter, Protocol):
    """Publishes events and can wait for their delivery: a ``Client``, or a test's recorder."""

    def flush(self, timeout_s: float) -> int:
        """Wait for the delivery of accepted events; return how many were not delivered."""
        ...


class GnomonSpanProcessor(SpanProcessor):
    """Publishes GenAI spans as tasks when they begin and end. It never raises and never blocks.

    Attributes that are set after a span has begun are not in the start of its task. The agent of a task
    is the one that the attributes name when the span ends, as for an exporter, which sees no others: if
    a span begins without the operation, or a call without the name of its tool, or other work without that
    of its agent, start and end of its task are published when it ends; if the agent changes later, or the
    span turns out to be no task, the first task is cancelled.

    Args:
        client: Client that publishes; by default the one that all integrations share.
    """

    def __init__(self, client: FlushingEmitter | None = None) -> None:
        self._client = default_client() if client is None else client
        self._starts: OrderedDict[str, TaskStarted] = OrderedDict()

    @guarded
    def on_start(self, span: SdkSpan, parent_context: Context | None = None) -> None:
        """Publish the task's start, if the attributes name the agent, or the tool that is called."""
        if not _is_task(span):
            return
        neutral = _neutral(span)
        start = started(neutral)
        if start is None or not _is_named(start, neutral):
            return
        self._starts[start.task_id] = start
        if len(self._starts) > MAX_OPEN_SPANS:
            self._starts.popitem(last=False)
        self._client.emit(start)

    @guarded
    def on_end(self, span: ReadableSpan) -> None:
        """Publish the task's end, and its start if that was not published for this agent."""
        is_task = _is_task(span)
        if not is_task and not self._starts:
            return
        neutral = _neutral(span)
        start = self._starts.pop(f"{neutral.trace_id}-{neutral.span_id}", None)
        mapped = started(neutral) if is_task else None
        if start is not None and (mapped is None or start.agent_id != mapped.agent_id):
            self._client.emit(
                _cancelled(start, neutral, "of another agent" if mapped else "no task")
            )
            start = None
        if mapped is None:
            return
        end = finished(neutral, start or mapped)
        if start is None:
            self._client.emit(mapped)
        if end is not None:
            self._client.emit(end)

    def force_flush(self, timeout_millis: int = FLUSH_MILLIS) -> bool:
        """Wait for the delivery of accepted events; return whether all were delivered."""
        return self._client.flush(timeout_millis / 1000) == 0


class GnomonSpanExporter(SpanExporter):
    """Publishes ended GenAI spans as tasks, with start and end of each.

    Args:
        client: Client that publishes; by default the one that all integrations share.
    """

    def __init__(self, client: FlushingEmitter | None = None) -> None:
        self._client = default_client() if client is None else client
        self._exit_hook_set = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Publish the tasks among ``spans``; fail if the client refused one of their events."""
        found = to_events(_neutral(span) for span in spans if _is_task(span))
        taken = [self._client.emit(event) for event in found.events]
        if taken and not self._exit_hook_set:
            self._exit_hook_set = True
            # Exit handlers run in reverse order. This one is registered last, so it exports the
            # last spans before the client's exit handler closes the client.
            atexit.register(_export_ended_spans)
        return SpanExportResult.SUCCESS if all(taken) else SpanExportResult.FAILURE

    def force_flush(self, timeout_millis: int = FLUSH_MILLIS) -> bool:
        """Wait for the delivery of accepted events; return whether all were delivered."""
        return self._client.flush(timeout_millis / 1000) == 0

    def shutdown(self) -> None:
        """Wait briefly for the delivery of accepted events, as the process is ending."""
        self._client.flush(EXIT_S)


def _export_ended_spans() -> None:
    """Make the tracer provider of this process export the spans that have ended."""
    provider = get_tracer_provider()
    if isinstance(provider, TracerProvider):
        provider.force_flush(int(EXIT_S * 1000))


def _is_task(span: ReadableSpan) -> bool:
    """Return whether ``span`` is a task; most spans are not."""
    return is_task(_attributes(span))


def _attributes(span: ReadableSpan) -> Mapping[str, object]:
    scope = span.instrumentation_scope
    return {**(span.attributes or {}), **of_name(scope.name if scope else None, span.name)}


def _is_named(start: TaskStarted, span: Span) -> bool:
    """Return whether the attributes name the tool of a call, or the agent of other work."""
    if start.task_type in TASKS and start.task_type != TOOL_CALL:
        return named_agent(span) is not None
    return start.task_type != TOOL_CALL


def _cancelled(start: TaskStarted, span: Span, what: str) -> TaskCancelled:
    """Return the end of a task that was published, and that its span turns out not to be."""
    return TaskCancelled(
        agent_id=start.agent_id,
        task_id=start.task_id,
        cancelled_at_ms=max(start.started_at_ms, span.end_ns // 1_000_000),
        reason=f"the span is {what} at its end",
    )


def _neutral(span: ReadableSpan) -> Span:
    own, parent = span.get_span_context(), span.parent
    attributes, service = _attributes(span), span.resource.attributes.get(SERVICE)
    return Span(
        trace_id=f"{own.trace_id:032x}" if own else "",
        span_id=f"{own.span_id:016x}" if own else "",
        parent_span_id=f"{parent.span_id:016x}" if parent else "",
        start_ns=span.start_time or 0,
        end_ns=span.end_time or 0,
        attributes={name: attributes[name] for name in READ if name in attributes},
        failed=span.status.status_code is StatusCode.ERROR,
        service=service if isinstance(service, str) else "",
    )
