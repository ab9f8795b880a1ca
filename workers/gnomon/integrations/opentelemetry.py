"""OpenTelemetry in the agent's process: GenAI spans of whatever instrumentation as tasks.

``GnomonSpanProcessor`` says that a task began as its span begins::

    provider.add_span_processor(GnomonSpanProcessor())

``GnomonSpanExporter`` needs no line of code but is shown ended spans only, so its starts come with
their ends: ``OTEL_TRACES_EXPORTER=gnomon opentelemetry-instrument python app.py``.
What is a task, and what is taken over of it, says ``gnomon.otel``.
"""

import atexit
from collections import OrderedDict
from collections.abc import Sequence
from typing import Protocol

from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace import Span as SdkSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.trace import StatusCode, get_tracer_provider

from gnomon.events import TaskStarted
from gnomon.integrations.recording import Emitter, default_client, guarded
from gnomon.otel import Span, finished, started, to_events
from gnomon.otel.names import OPERATION, READ, SERVICE, TASKS

MOST_OPEN_SPANS = 10_000
"""Spans whose end is awaited; then the oldest is forgotten, and its end speaks for itself."""
FLUSH_MILLIS = 30_000
EXIT_S = 2.0


class FlushingEmitter(Emitter, Protocol):
    """Where events go: a ``Client``, or a test's recorder."""

    def flush(self, timeout_s: float) -> int:
        """Wait for what was accepted to arrive; returns how many events did not."""
        ...


class GnomonSpanProcessor(SpanProcessor):
    """Makes tasks of GenAI spans as they begin and end. It raises nothing and waits for nothing.

    What an instrumentation says of a span only after its beginning is not in the task's start. If
    that is the operation itself, start and end come together as the span ends.

    Args:
        client: Where events go; by default the one that all integrations of the process share.
    """

    def __init__(self, client: FlushingEmitter | None = None) -> None:
        self._client = default_client() if client is None else client
        self._starts: OrderedDict[str, TaskStarted] = OrderedDict()

    @guarded
    def on_start(self, span: SdkSpan, parent_context: Context | None = None) -> None:
        """Publish the task's start."""
        if not _is_task(span):
            return
        start = started(_neutral(span))
        if start is not None:
            self._starts[start.task_id] = start
            if len(self._starts) > MOST_OPEN_SPANS:
                self._starts.popitem(last=False)
            self._client.emit(start)

    @guarded
    def on_end(self, span: ReadableSpan) -> None:
        """Publish the task's end, and its start if that has not been."""
        if not _is_task(span):
            return
        neutral = _neutral(span)
        said = started(neutral)
        if said is None:
            return
        start = self._starts.pop(said.task_id, None)
        end = finished(neutral, start or said)
        if start is None:
            self._client.emit(said)
        if end is not None:
            self._client.emit(end)

    def force_flush(self, timeout_millis: int = FLUSH_MILLIS) -> bool:
        """Wait for what was accepted to arrive; whether all did."""
        return self._client.flush(timeout_millis / 1000) == 0


class GnomonSpanExporter(SpanExporter):
    """Makes tasks of ended GenAI spans, start and end of each.

    Args:
        client: Where events go; by default the one that all integrations of the process share.
    """

    def __init__(self, client: FlushingEmitter | None = None) -> None:
        self._client = default_client() if client is None else client
        self._before_exit = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Publish the tasks among ``spans``; fails if one of their events found no room."""
        found = to_events(_neutral(span) for span in spans if _is_task(span))
        taken = [self._client.emit(event) for event in found.events]
        if taken and not self._before_exit:
            self._before_exit = True
            # The client closes as the process ends, before OpenTelemetry hands over the last
            # batch: what is registered last is called first.
            atexit.register(_hand_over_spans)
        return SpanExportResult.SUCCESS if all(taken) else SpanExportResult.FAILURE

    def force_flush(self, timeout_millis: int = FLUSH_MILLIS) -> bool:
        """Wait for what was accepted to arrive; whether all did."""
        return self._client.flush(timeout_millis / 1000) == 0

    def shutdown(self) -> None:
        """Wait a moment for what was accepted: nobody else does once the process is ending."""
        self._client.flush(EXIT_S)


def _hand_over_spans() -> None:
    """Have the tracer provider of the process export what has ended."""
    provider = get_tracer_provider()
    if isinstance(provider, TracerProvider):
        provider.force_flush(int(EXIT_S * 1000))


def _is_task(span: ReadableSpan) -> bool:
    """Whether ``span`` is worth a second look; most are not."""
    attributes = span.attributes
    return attributes is not None and attributes.get(OPERATION) in TASKS


def _neutral(span: ReadableSpan) -> Span:
    own, parent = span.get_span_context(), span.parent
    attributes, service = span.attributes or {}, span.resource.attributes.get(SERVICE)
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
