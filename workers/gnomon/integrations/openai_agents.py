"""Integration of the OpenAI Agents SDK: a trace processor.

A task is each agent span and each function span; a handoff ends one agent span and begins the
next. The SDK calls processors on the agent's own thread, so nothing here blocks.
"""

import sys
from asyncio import CancelledError
from collections import OrderedDict
from typing import Any

from agents.tracing import TracingProcessor, add_trace_processor

from gnomon.integrations.guarded import guarded
from gnomon.integrations.recording import Emitter, Recorder, shared

FRAMEWORK = "openai-agents"
UNNAMED_WORKFLOW = "Agent workflow"
"""The SDK's default name of a run without ``workflow_name``."""
CANCELLATIONS = (CancelledError, GeneratorExit, KeyboardInterrupt)
MAX_REMEMBERED = 10_000


class GnomonProcessor(TracingProcessor):  # type: ignore[misc]  # not installed where this is checked
    """Publishes spans as tasks.

    Args:
        client: Client that publishes; by default the one of this process, ``Client.from_env()``.
    """

    def __init__(self, client: Emitter | None = None) -> None:
        self._recorder = (
            shared(FRAMEWORK) if client is None else Recorder(client, framework=FRAMEWORK)
        )
        self._workflows: OrderedDict[str, str] = OrderedDict()
        self._handled: OrderedDict[str, int] = OrderedDict()

    @guarded
    def on_trace_start(self, trace: Any) -> None:
        """Remember the name of a workflow, which is the task type of its agents."""
        if trace.name and trace.name != UNNAMED_WORKFLOW:
            _remember(self._workflows, trace.trace_id, trace.name)

    @guarded
    def on_trace_end(self, trace: Any) -> None:
        """Forget the workflow."""
        self._workflows.pop(trace.trace_id, None)

    @guarded
    def on_span_start(self, span: Any) -> None:
        """Record the start of an agent, of a tool call, or of a part of one."""
        data, key, parent = span.span_data, span.span_id, span.parent_id
        if data.type == "agent":
            self._note_exception(key)
            self._recorder.begin(
                key,
                parent=parent,
                agent_id=data.name,
                task_type=self._workflows.get(span.trace_id, data.name),
            )
        elif data.type == "function":
            self._note_exception(key)
            self._recorder.begin_tool(key, parent=parent, tool=data.name)
        else:
            self._recorder.enter(key, parent=parent)

    @guarded
    def on_span_end(self, span: Any) -> None:
        """Record the end of an agent, of a tool call, or of a part of one."""
        data, key = span.span_data, span.span_id
        if data.type in {"agent", "function"}:
            self._end(span, "ToolError" if data.type == "function" else "AgentError")
            return
        if data.type in {"generation", "response"}:
            self._count(key, data)
        elif data.type == "turn":
            self._sum_up(key, data)
        elif data.type == "handoff" and (run := self._recorder.run(key)) is not None:
            run.facts["handed_over"] = True
        self._recorder.leave(key)

    def shutdown(self) -> None:
        """Do nothing: the client closes with the process, not with the SDK."""

    def force_flush(self) -> None:
        """Do nothing: the client sends in the background, and this thread must not wait for it."""

    def _end(self, span: Any, nameless_error: str) -> None:
        key = span.span_id
        error = sys.exc_info()[1]
        if error is not None and id(error) == self._handled.pop(key, None):
            error = None  # the caller was handling this exception before the span began
        if isinstance(error, CANCELLATIONS):
            self._recorder.cancel(key, type(error).__qualname__)
        elif error is not None:
            self._recorder.end(key, error_type=type(error).__qualname__)
        else:
            # The error of a span is text only: a handled exception has no type here.
            self._recorder.end(key, error_type=nameless_error if span.error else None)

    def _note_exception(self, key: str) -> None:
        """Remember the exception that the caller is handling: it is not the span's error."""
        error = sys.exc_info()[1]
        if error is not None:
            _remember(self._handled, key, id(error))

    def _count(self, key: str, data: Any) -> None:
        response = getattr(data, "response", None)
        usage, reported = data.usage or {}, getattr(response, "usage", None)
        self._recorder.call(
            key,
            input_tokens=usage.get("input_tokens") or getattr(reported, "input_tokens", None) or 0,
            output_tokens=usage.get("output_tokens")
            or getattr(reported, "output_tokens", None)
            or 0,
        )
        self._recorder.model(key, model=getattr(data, "model", None) or _model(response))

    def _sum_up(self, key: str, data: Any) -> None:
        """Record the tokens of a turn, which include those of agents used as tools."""
        run, usage = self._recorder.run(key), data.usage or {}
        if run is not None and usage:
            run.totals.append((usage.get("input_tokens") or 0, usage.get("output_tokens") or 0))


def instrument(client: Emitter | None = None) -> GnomonProcessor:
    """Add a processor to the existing ones, including the SDK's own exporter.

    To send nothing to OpenAI, call ``agents.set_trace_processors([GnomonProcessor()])`` instead.

    Args:
        client: Client that publishes; by default the one of this process, ``Client.from_env()``.
    """
    processor = GnomonProcessor(client)
    add_trace_processor(processor)
    return processor


def _model(response: Any) -> object:
    return getattr(response, "model", None)


def _remember(where: OrderedDict[str, Any], key: str, value: object) -> None:
    where[key] = value
    if len(where) > MAX_REMEMBERED:
        try:
            where.popitem(last=False)
        except KeyError:  # other threads have removed theirs meanwhile
            return
