"""Conventions by which a span says that it is the work of an agent, or a call of a tool.

Where each was read from:

* GenAI: opentelemetry.io/docs/specs/semconv/gen-ai. AutoGen (from autogen-core 0.7), Google ADK (from
  1.17), Pydantic AI (from 1.0) and the OpenAI Agents SDK's instrumentation follow it.
* OpenInference: github.com/Arize-ai/openinference, spec/semantic_conventions.md. Its instrumentations of
  LlamaIndex, LangChain, CrewAI, smolagents, the Claude Agent SDK and others follow it.
* Vercel AI SDK: ai-sdk.dev/docs/ai-sdk-core/telemetry.
* OpenLLMetry: github.com/traceloop/openllmetry, opentelemetry-semantic-conventions-ai.
* Claude Code and the Claude Agent SDK: code.claude.com/docs/en/monitoring-usage (traces, beta).
* LlamaIndex: its package llama-index-observability-otel, whose spans say what they are by their names.
* Pydantic AI before 1.0: github.com/pydantic/pydantic-ai, pydantic_ai/agent.py and _tool_manager.py.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

OPERATION: Final = "gen_ai.operation.name"
INVOKE: Final = "invoke_agent"
WORKFLOW: Final = "invoke_workflow"
TOOL_CALL: Final = "execute_tool"
TASKS: Final = frozenset({INVOKE, WORKFLOW, TOOL_CALL})
"""Operations that are tasks. A model call (such as ``chat``) is a part of a task."""
ANY: Final = "*"
"""Stands for every value of an attribute whose presence alone says what a span is."""

PART_OF_TASK: Final = "part_of_task"
"""Reason: the span is of a known convention and is a step, such as a model call."""
NOT_GENAI: Final = "not_genai"
"""Reason: the span is of no convention that is read."""

LLAMA_INDEX: Final = "llamaindex.opentelemetry.tracer"
"""Scope of LlamaIndex's own spans. Each is named ``Class.method``, which nobody's words can be in."""
CODE: Final = "gnomon.code"
"""Stands for an attribute that the name of such a span replaces."""


class Convention(NamedTuple):
    """One convention.

    Attributes:
        kind: Attribute that says what a span is.
        operations: Operation of GenAI for each of its values that is a task.
        agent: Attributes that name the agent that works.
        caller: Attributes that name the agent that calls a tool.
        tool: Attributes that name the tool.
        also: Attribute that must be present too.
    """

    kind: str
    operations: Mapping[str, str]
    agent: tuple[str, ...] = ()
    caller: tuple[str, ...] = ()
    tool: tuple[str, ...] = ()
    also: str = ""

    def names(self) -> tuple[str, ...]:
        """Return every attribute that is read by this convention alone."""
        also = (self.also,) if self.also else ()
        return (self.kind, *self.agent, *self.caller, *self.tool, *also)


_VERCEL: Final = ("ai.telemetry.functionId", "resource.name")

CONVENTIONS: Final = (
    Convention(OPERATION, {operation: operation for operation in TASKS}),
    Convention(
        "openinference.span.kind",
        {"AGENT": INVOKE, "TOOL": TOOL_CALL},
        agent=("agent.name",),
        caller=("agent.name",),
        tool=("tool.name",),
    ),
    Convention(
        "traceloop.span.kind",
        {"agent": INVOKE, "workflow": WORKFLOW, "tool": TOOL_CALL},
        agent=("traceloop.entity.name",),
        caller=("traceloop.workflow.name",),
        tool=("traceloop.entity.name",),
    ),
    Convention(
        "ai.operationId",
        {
            "ai.generateText": INVOKE,
            "ai.streamText": INVOKE,
            "ai.generateObject": INVOKE,
            "ai.streamObject": INVOKE,
            "ai.toolCall": TOOL_CALL,
        },
        agent=_VERCEL,
        caller=_VERCEL,
        tool=("ai.toolCall.name",),
    ),
    Convention("span.type", {"interaction": INVOKE, "tool": TOOL_CALL}, tool=("tool_name",)),
    Convention("agent_name", {ANY: INVOKE}, agent=("agent_name",), also="model_name"),
    Convention("gen_ai.tool.call.id", {ANY: TOOL_CALL}),
    Convention(CODE, {"agent": INVOKE, "workflow": WORKFLOW, "tool": TOOL_CALL}),
)
"""The conventions by priority: a span of several is read by the first."""


def of_name(scope: str | None, name: str | None) -> dict[str, object]:
    """Return the attribute that the name of a span stands for, if its scope is one whose names are code."""
    if scope != LLAMA_INDEX:
        return {}
    owner, _, method = (name or "").partition(".")
    if method == "run":
        return {CODE: "agent" if owner.endswith("Agent") else "workflow"}
    is_tool = owner.endswith("Tool") and method in {"call", "acall"}
    return {CODE: "tool" if is_tool else "step"}


def read_kind(attributes: Mapping[str, object]) -> tuple[Convention, str] | str:
    """Return the convention and the operation of a span that is a task, else why it is none."""
    for convention in CONVENTIONS:
        value = attributes.get(convention.kind)
        if not isinstance(value, str) or (convention.also and convention.also not in attributes):
            continue
        operation = convention.operations.get(value) or convention.operations.get(ANY)
        return PART_OF_TASK if operation is None else (convention, operation)
    return NOT_GENAI


def is_task(attributes: Mapping[str, object]) -> bool:
    """Return whether a span with these attributes is a task."""
    return not isinstance(read_kind(attributes), str)
