"""Attribute names that gnomon reads, of OpenTelemetry's GenAI conventions and of others.

They are copied here because the conventions are still in development and have moved from one
package to another. A newer name comes before the older one that it replaces. None of these
attributes contains a message.
"""

from collections.abc import Mapping
from typing import Final

from gnomon.otel.conventions import CONVENTIONS, OPERATION, TASKS

AGENT: Final = ("gen_ai.agent.name", "gen_ai.agent.id", "gen_ai.workflow.name")
"""Attributes that name the agent in every convention, by priority, after the convention's own. The id
comes after the name because it may identify a single run."""
TOOL: Final = ("gen_ai.tool.name",)
CONTEXT: Final[Mapping[str, tuple[str, ...]]] = {
    "provider": (
        "gen_ai.provider.name",
        "gen_ai.system",
        "llm.provider",
        "llm.system",
        "ai.model.provider",
    ),
    "model": ("gen_ai.request.model", "llm.model_name", "ai.model.id", "model_name"),
    "agent_version": ("gen_ai.agent.version",),
    "workflow": ("gen_ai.workflow.name", "traceloop.workflow.name"),
}
"""Attributes known at the start, by their name in ``context``."""
COUNTS: Final[Mapping[str, tuple[str, ...]]] = {
    "input_tokens": (
        "gen_ai.usage.input_tokens",
        "gen_ai.usage.prompt_tokens",
        "llm.token_count.prompt",
        "ai.usage.inputTokens",
        "ai.usage.promptTokens",
    ),
    "output_tokens": (
        "gen_ai.usage.output_tokens",
        "gen_ai.usage.completion_tokens",
        "llm.token_count.completion",
        "ai.usage.outputTokens",
        "ai.usage.completionTokens",
    ),
    "total_tokens": (
        "llm.token_count.total",
        "ai.usage.totalTokens",
        "llm.usage.total_tokens",
    ),
}
"""Attributes with whole numbers, by their name in ``outcome``."""
OUTCOME: Final[Mapping[str, tuple[str, ...]]] = {
    "response_model": ("gen_ai.response.model", "ai.response.model"),
    "conversation_id": ("gen_ai.conversation.id", "session.id", "gcp.vertex.agent.session_id"),
}
"""Attributes with text, by their name in ``outcome``."""
ERROR_TYPE: Final = ("error.type",)
SERVICE: Final = "service.name"
"""Attribute of the resource that names the agent if no attribute of the span does."""

READ: Final = frozenset(
    {
        *AGENT,
        *TOOL,
        *ERROR_TYPE,
        *(name for each in CONVENTIONS for name in each.names()),
        *(
            name
            for group in (CONTEXT, COUNTS, OUTCOME)
            for names in group.values()
            for name in names
        ),
    }
)
"""Every attribute of a span that is read."""

__all__ = [
    "AGENT",
    "CONTEXT",
    "COUNTS",
    "ERROR_TYPE",
    "OPERATION",
    "OUTCOME",
    "READ",
    "SERVICE",
    "TASKS",
    "TOOL",
]
