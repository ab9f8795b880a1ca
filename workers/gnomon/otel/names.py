"""Names of OpenTelemetry's GenAI conventions that gnomon reads, of both generations.

They are copied here because every one is still in development and has moved from one package to
another; a newer name stands before the older one it replaces. None of them holds a message.
"""

from typing import Final

OPERATION: Final = "gen_ai.operation.name"
TASKS: Final = frozenset({"invoke_agent", "invoke_workflow", "execute_tool"})
"""Operations that are tasks. A model call (``chat`` and the like) is a part of one."""

AGENT: Final = ("gen_ai.agent.name", "gen_ai.agent.id", "gen_ai.workflow.name")
"""Who does it. The name comes first: the id may be of one run only, and where it is
(``invoke_agent`` inside a process) the newer conventions have taken it away."""
TOOL: Final = ("gen_ai.tool.name",)
CONTEXT: Final = {
    "provider": ("gen_ai.provider.name", "gen_ai.system"),
    "model": ("gen_ai.request.model",),
    "agent_version": ("gen_ai.agent.version",),
    "workflow": ("gen_ai.workflow.name",),
}
"""What is known beforehand, by its name in ``context``."""
COUNTS: Final = {
    "input_tokens": ("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens"),
    "output_tokens": ("gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens"),
}
"""Whole numbers of ``outcome``."""
OUTCOME: Final = {
    "response_model": ("gen_ai.response.model",),
    "conversation_id": ("gen_ai.conversation.id",),
}
"""Texts of ``outcome``."""
ERROR_TYPE: Final = ("error.type",)
SERVICE: Final = "service.name"
"""Of the resource: who does it where no agent is named, as around a tool."""

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
"""Every attribute of a span that is looked at."""
