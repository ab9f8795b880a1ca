"""Integration of LangChain and LangGraph: a callback handler.

A task is the outermost chain or graph, and each agent inside it that has a name of its own
(``create_agent(name=…)``). The nodes of a graph are parts of its task. With ``GNOMON_TRACE=1`` it
is enough to import this module: LangChain then adds the handler (``register_configure_hook``).
"""

from asyncio import CancelledError
from contextvars import ContextVar
from typing import Any
from uuid import UUID

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.tracers.context import register_configure_hook

from gnomon.events import ContextValue
from gnomon.integrations.guarded import guarded
from gnomon.integrations.recording import Emitter, Recorder, shared

FRAMEWORK = "langchain"
NODE_TAG = "graph:step:"
"""Prefix of LangGraph's tag of a node's run; the number of the step follows."""
NAMELESS = frozenset({"LangGraph", "RunnableSequence", "RunnableLambda", "RunnableParallel"})
"""Default names that LangChain gives to runs without a name."""
CANCELLATIONS = (CancelledError, GeneratorExit, KeyboardInterrupt)


class GnomonHandler(BaseCallbackHandler):  # type: ignore[misc]  # not installed where this is checked
    """Publishes runs as tasks. Pass it as a callback, or add it to all runs with ``instrument``.

    Args:
        client: Client that publishes; by default the one of this process, ``Client.from_env()``.
    """

    # The handler runs on the event loop: in a thread pool, ends could arrive before starts.
    run_inline = True
    ignore_retriever = True
    ignore_retry = True
    ignore_custom_event = True

    def __init__(self, client: Emitter | None = None) -> None:
        self._recorder = (
            shared(FRAMEWORK) if client is None else Recorder(client, framework=FRAMEWORK)
        )

    @guarded
    def on_chain_start(
        self,
        serialized: object,
        inputs: object,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        tags: list[str] | None = None,
        metadata: dict[str, Any] | None = None,
        run_type: str | None = None,
        name: str | None = None,
        **_: object,
    ) -> None:
        """Record the start of a chain, graph, node or agent."""
        parent = _key(parent_run_id)
        is_node = any(tag.startswith(NODE_TAG) for tag in tags or ())
        agent = (metadata or {}).get("lc_agent_name")
        outermost = self._recorder.run(parent) is None and run_type in (None, "chain")
        if is_node or not (outermost or (agent is not None and agent == name)):
            self._recorder.enter(str(run_id), parent=parent)
            return
        run_name = name or "chain"
        nameless = run_name in NAMELESS and self._recorder.default_agent_id
        self._recorder.begin(
            str(run_id),
            parent=parent,
            agent_id=agent or nameless or run_name,
            task_type=run_name,
            context=_context(inputs),
        )

    @guarded
    def on_chain_end(self, outputs: object, *, run_id: UUID, **_: object) -> None:
        """Record the end of a chain, graph, node or agent."""
        self._end(run_id)

    @guarded
    def on_chain_error(self, error: BaseException, *, run_id: UUID, **_: object) -> None:
        """Record that a run failed, was cancelled, or left its graph on purpose."""
        self._end(run_id, error)

    @guarded
    def on_tool_start(
        self,
        serialized: dict[str, Any] | None,
        input_str: str,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        **_: object,
    ) -> None:
        """Record the start of a tool call."""
        tool = (serialized or {}).get("name") or "tool"
        self._recorder.begin_tool(str(run_id), parent=_key(parent_run_id), tool=tool)

    @guarded
    def on_tool_end(self, output: object, *, run_id: UUID, **_: object) -> None:
        """Record the end of a tool call; a message of status ``error`` counts as a failure."""
        failed = getattr(output, "status", None) == "error"
        self._recorder.end(str(run_id), error_type="ToolError" if failed else None)

    @guarded
    def on_tool_error(self, error: BaseException, *, run_id: UUID, **_: object) -> None:
        """Record that a tool call raised."""
        self._end(run_id, error)

    @guarded
    def on_chat_model_start(
        self,
        serialized: object,
        messages: object,
        *,
        parent_run_id: UUID | None = None,
        metadata: dict[str, Any] | None = None,
        **_: object,
    ) -> None:
        """Record which chat model is called."""
        given = metadata or {}
        self._recorder.model(
            _key(parent_run_id), model=given.get("ls_model_name"), provider=given.get("ls_provider")
        )

    def on_llm_start(self, serialized: object, prompts: object, **kwargs: Any) -> None:
        """Record which completion model is called."""
        self.on_chat_model_start(serialized, prompts, **kwargs)

    @guarded
    def on_llm_end(self, response: Any, *, parent_run_id: UUID | None = None, **_: object) -> None:
        """Record a model call and its tokens."""
        given, made = _tokens(response)
        self._recorder.call(_key(parent_run_id), input_tokens=given, output_tokens=made)

    @guarded
    def on_llm_error(
        self, error: BaseException, *, parent_run_id: UUID | None = None, **_: object
    ) -> None:
        """Record a model call that failed."""
        self._recorder.call(_key(parent_run_id))

    def _end(self, run_id: UUID, error: BaseException | None = None) -> None:
        """End the run: publish the end if it is a task, else only leave the task around it."""
        key = str(run_id)
        run = self._recorder.run(key)
        if run is None:
            return
        if _interrupted(error):
            # The graph waits for a person: its own run ends successfully, marked as interrupted.
            for around in (run, run.parent):
                if around is not None:
                    around.facts["interrupted"] = True
        if run.task_id != key:
            self._recorder.leave(key)
        elif isinstance(error, CANCELLATIONS) or _interrupted(error):
            self._recorder.cancel(key, type(error).__qualname__)
        elif error is None or _bubbles(error):
            self._recorder.end(key)
        else:
            self._recorder.end(key, error_type=type(error).__qualname__)


def instrument(client: Emitter | None = None) -> GnomonHandler:
    """Add a handler to every run of this process.

    Args:
        client: Client that publishes; by default the one of this process, ``Client.from_env()``.
    """
    handler = GnomonHandler(client)
    always: ContextVar[GnomonHandler | None] = ContextVar("gnomon_always", default=handler)
    register_configure_hook(always, inheritable=True, handle_class=GnomonHandler)
    return handler


def _key(run_id: UUID | None) -> str | None:
    return None if run_id is None else str(run_id)


def _context(inputs: object) -> dict[str, ContextValue]:
    """Return what is known at the start: the number of messages, never their content."""
    messages = inputs.get("messages") if isinstance(inputs, dict) else None
    return {"messages": len(messages)} if isinstance(messages, list | tuple) else {}


def _tokens(response: Any) -> tuple[int, int]:
    """Return input and output tokens of a response: of its messages, else of the whole."""
    given = made = 0
    for generations in response.generations:
        usage = getattr(getattr(generations[0], "message", None), "usage_metadata", None)
        if usage:
            given += usage.get("input_tokens") or 0
            made += usage.get("output_tokens") or 0
    if not given and not made:
        usage = (response.llm_output or {}).get("token_usage") or {}
        given, made = usage.get("prompt_tokens") or 0, usage.get("completion_tokens") or 0
    return given, made


def _names(error: BaseException | None) -> set[str]:
    return {kind.__name__ for kind in type(error).__mro__}


def _bubbles(error: BaseException | None) -> bool:
    """Return whether LangGraph raised ``error`` to leave a graph on purpose.

    The class is compared by name, because LangGraph need not be installed.
    """
    return "GraphBubbleUp" in _names(error)


def _interrupted(error: BaseException | None) -> bool:
    return "GraphInterrupt" in _names(error)


_by_variable: ContextVar[GnomonHandler | None] = ContextVar("gnomon_by_variable", default=None)
register_configure_hook(
    _by_variable, inheritable=True, handle_class=GnomonHandler, env_var="GNOMON_TRACE"
)
