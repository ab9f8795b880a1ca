"""Attribute names of OpenTelemetry's GenAI conventions that gnomon reads, in old and new versions.

They are copied here because the conventions are still in development and have moved from one
package to another. A newer name comes before the older one that it replaces. None of these
attributes contains a message.
"""

from typing import Final

OPERATION: Final = "gen_ai.operation.name"
TASKS: Final = frozenset({"invoke_agent", "invoke_workflow", "execute_tool"})
"""Operations that are tasks. A model call (such as ``chat``) is a part of a task."""

AGENT: Final = ("gen_ai.agent.name", "gen_ai.agent.id", "gen_ai.workflow.name")
"""Attributes that name the agent, by priority. The id comes after the name because it may identify
a single run."""
TOOL: Final = ("gen_ai.tool.name",)
CONTEXT: Final = {
    "provider": ("gen_ai.provider.name", "gen_ai.system"),
    "model": ("gen_ai.request.model",),
    "agent_version": ("gen_ai.agent.version",),
    "workflow": ("gen_ai.workflow.name",),
}
"""Attributes known at the start, by their name in ``context``."""
COUNTS: Final = {
    "input_tokens": ("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens"),
    "output_tokens": ("gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens"),
}
"""Attributes with whole numbers, by their name in ``outcome``."""
OUTCOME: Final = {
    "response_model": ("gen_ai.response.model",),
    "conversation_id": ("gen_ai.conversation.id",),
}
"""Attributes with text, by their name in ``outcome``."""
ERROR_TYPE: Final = ("error.type",)
SERVICE: Final = "service.name"
"""Attribute of the resource that names the agent if no attribute of the span does."""

READ: Final = frozenset(
    {
        OPERATION,
        *AGENT,
        *TOOL,
        *ERROR_TYPE,
        *(
            name
            for group in (CONTEXT, COUNTS, OUTCOME)
            for names in group.values()
            for name in names
        ),
    }
)
"""Every attribute of a span that is read."""
