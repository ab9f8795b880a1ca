"""Integration of CrewAI: an event listener.

A task is each task of a crew, each agent that runs on its own (``Agent.kickoff``) or for another
agent (delegation), and each tool call. CrewAI passes events to a pool of threads, in which an end
can arrive before its start. So starts and ends are paired by id, with the times of the events.
"""

from collections.abc import Mapping
from typing import Any

from crewai.events import BaseEventListener
from crewai.events.event_bus import is_replaying
from crewai.events.types import agent_events as agents
from crewai.events.types import crew_events as crews
from crewai.events.types import llm_events as models
from crewai.events.types import task_events as tasks
from crewai.events.types import tool_usage_events as tools

from gnomon.events import ContextValue
from gnomon.integrations.crew_runs import CrewRunTracker
from gnomon.integrations.guarded import guarded
from gnomon.integrations.recording import Emitter, Recorder, shared

FRAMEWORK = "crewai"
UNNAMED_TASK = "task"
"""Task type of a task without a name. Its description is free text and is never sent."""
DELEGATED = "delegated"
"""Task type of work that one agent delegates to another."""
MS_PER_S = 1_000


class GnomonListener(BaseEventListener):  # type: ignore[misc]  # not installed where this is checked
    """Publishes CrewAI's events as tasks.

    Args:
        client: Client that publishes; by default the one of this process, ``Client.from_env()``.
    """

    def __init__(self, client: Emitter | None = None) -> None:
        self._recorder = (
            shared(FRAMEWORK) if client is None else Recorder(client, framework=FRAMEWORK)
        )
        self._ledger = CrewRunTracker(self._recorder)
        super().__init__()

    def setup_listeners(self, crewai_event_bus: Any) -> None:
        """Subscribe to events. CrewAI calls this from the constructor."""
        subscribe = crewai_event_bus.on
        subscribe(tasks.TaskStartedEvent)(self.on_task_started)
        for ended in (tasks.TaskCompletedEvent, tasks.TaskFailedEvent):
            subscribe(ended)(self.on_task_ended)
        subscribe(agents.AgentExecutionStartedEvent)(self.on_agent_started)
        for ended in (agents.AgentExecutionCompletedEvent, agents.AgentExecutionErrorEvent):
            subscribe(ended)(self.on_agent_ended)
        subscribe(agents.LiteAgentExecutionStartedEvent)(self.on_lone_agent_started)
        for ended in (agents.LiteAgentExecutionCompletedEvent, agents.LiteAgentExecutionErrorEvent):
            subscribe(ended)(self.on_lone_agent_ended)
        subscribe(tools.ToolUsageStartedEvent)(self.on_tool_started)
        for ended in (tools.ToolUsageFinishedEvent, tools.ToolUsageErrorEvent):
            subscribe(ended)(self.on_tool_ended)
        subscribe(models.LLMCallStartedEvent)(self.on_call_started)
        for ended in (models.LLMCallCompletedEvent, models.LLMCallFailedEvent):
            subscribe(ended)(self.on_call_ended)
        for ended in (crews.CrewKickoffCompletedEvent, crews.CrewKickoffFailedEvent):
            subscribe(ended)(self.on_crew_ended)

    @guarded
    def on_task_started(self, source: object, event: Any) -> None:
        """Record the start of a task of a crew."""
        agent = event.task.agent
        self._begin(event, agent=agent, task_type=event.task.name or UNNAMED_TASK)

    @guarded
    def on_task_ended(self, source: object, event: Any) -> None:
        """Record the end of a task of a crew."""
        failed = event.type == "task_failed"
        kind = getattr(event, "error_type", None)
        named = kind.__qualname__ if isinstance(kind, type) else "TaskFailed"
        self._end(event, scope=f"task:{event.task.id}", error_type=named if failed else None)

    @guarded
    def on_agent_started(self, source: object, event: Any) -> None:
        """Record the start of delegated work. An agent inside a crew's task is part of that task."""
        if _is_delegated(event.task):
            self._begin(event, agent=event.agent, task_type=DELEGATED)

    @guarded
    def on_agent_ended(self, source: object, event: Any) -> None:
        """Record the end of delegated work."""
        if _is_delegated(event.task):
            failed = event.type == "agent_execution_error"
            scope = f"task:{event.task.id}"
            self._end(event, scope=scope, error_type="AgentError" if failed else None)

    @guarded
    def on_lone_agent_started(self, source: Any, event: Any) -> None:
        """Record the start of an agent without a crew."""
        self._begin(event, agent=source, task_type=UNNAMED_TASK)

    @guarded
    def on_lone_agent_ended(self, source: Any, event: Any) -> None:
        """Record the end of an agent without a crew."""
        failed = event.type == "lite_agent_execution_error"
        scope = f"agent:{source.role}"
        self._end(event, scope=scope, error_type="AgentError" if failed else None)

    @guarded
    def on_tool_started(self, source: object, event: Any) -> None:
        """Record the start of a tool call."""
        if not is_replaying():
            self._ledger.begin_tool(
                event.event_id,
                scope=_scope(event),
                agent_id=event.agent_role or "",
                tool=event.tool_name,
                at_ms=_at_ms(event),
            )

    @guarded
    def on_tool_ended(self, source: object, event: Any) -> None:
        """Record the end of a tool call, which may have raised or reported a failure."""
        error_type = None
        if event.type == "tool_usage_error":
            error = event.error
            error_type = (
                type(error).__qualname__ if isinstance(error, BaseException) else "ToolError"
            )
        elif getattr(event, "failure", None) is not None:
            error_type = "ToolFailure"
        if event.started_event_id and not is_replaying():
            self._ledger.end_tool(
                event.started_event_id,
                scope=_scope(event),
                at_ms=_at_ms(event),
                error_type=error_type,
            )

    @guarded
    def on_call_started(self, source: object, event: Any) -> None:
        """Record the start of a model call."""
        if not is_replaying():
            self._ledger.begin_call(event.event_id, scope=_scope(event), at_ms=_at_ms(event))

    @guarded
    def on_call_ended(self, source: object, event: Any) -> None:
        """Record the end of a model call."""
        usage = getattr(event, "usage", None) or {}
        if event.started_event_id and not is_replaying():
            self._ledger.end_call(
                event.started_event_id,
                scope=_scope(event),
                at_ms=_at_ms(event),
                input_tokens=_count(usage, "prompt_tokens", "input_tokens"),
                output_tokens=_count(usage, "completion_tokens", "output_tokens"),
            )

    @guarded
    def on_crew_ended(self, source: object, event: Any) -> None:
        """Publish what is left: a crew that has ended sends no more events."""
        self._ledger.settle()

    def _begin(self, event: Any, *, agent: Any, task_type: str) -> None:
        if not is_replaying():
            self._ledger.begin(
                event.event_id,
                agent_id=getattr(agent, "role", "") or "",
                task_type=task_type,
                at_ms=_at_ms(event),
                context=_context(agent),
            )

    def _end(self, event: Any, *, scope: str, error_type: str | None) -> None:
        if event.started_event_id and not is_replaying():
            self._ledger.end(
                event.started_event_id, scope=scope, at_ms=_at_ms(event), error_type=error_type
            )


def instrument(client: Emitter | None = None) -> GnomonListener:
    """Start to listen to every crew and agent of this process.

    Args:
        client: Client that publishes; by default the one of this process, ``Client.from_env()``.
    """
    return GnomonListener(client)


def _is_delegated(task: Any) -> bool:
    """Return whether ``task`` is delegated work, which has no start time in CrewAI."""
    return getattr(task, "start_time", None) is None


def _scope(event: Any) -> str:
    """Return the scope in which a call is counted: its task, or its agent if it has no task."""
    return f"task:{event.task_id}" if event.task_id else f"agent:{event.agent_role}"


def _at_ms(event: Any) -> float:
    return float(event.timestamp.timestamp() * MS_PER_S)


def _context(agent: Any) -> dict[str, ContextValue]:
    """Return what is known of an agent at the start."""
    context: dict[str, ContextValue] = {"tools": len(getattr(agent, "tools", None) or ())}
    llm = getattr(agent, "llm", None)
    for key in ("model", "provider"):
        value = getattr(llm, key, None)
        if isinstance(value, str) and value:
            context[key] = value
    return context


def _count(usage: Mapping[str, object], *names: str) -> int:
    """Return the first of these counts that is present; providers use different names."""
    for name in names:
        value = usage.get(name)
        if isinstance(value, int):
            return value
    return 0
