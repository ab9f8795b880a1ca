"""LangChain and LangGraph: a callback handler on every run.

A task is the outermost chain or graph, and each agent inside it that has a name of its own
(``create_agent(name=…)``); a graph's nodes are parts of it. With ``GNOMON_TRACE=1`` importing
this module is enough: LangChain itself then adds the handler (``register_configure_hook``).
"""

from asyncio import CancelledError
from contextvars import ContextVar
from typing import Any
from uuid import UUID

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.tracers.context import register_configure_hook

from gnomon.events import ContextValue
from gnomon.integrations.recording import Emitter, Recorder, guarded, shared

FRAMEWORK = "langchain"
NODE_TAG = "graph:step:"
"""LangGraph's tag of a node's run, with the number of the step."""
NAMELESS = frozenset({"LangGraph", "RunnableSequence", "RunnableLambda", "RunnableParallel"})
"""Names that LangChain gives to what has none."""
GIVEN_UP = (CancelledError, GeneratorExit, KeyboardInterrupt)


class GnomonHandler(BaseCallbackHandler):  # type: ignore[misc]  # not installed where this is checked
    """Makes tasks of runs. To be given as a callback, or added to all runs by ``instrument``.

    Args:
        client: Where events go; by default the process's own, ``Client.from_env()``.
    """

    # On the event loop itself: a thread pool would let ends overtake starts, and cost more.
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
        """A chain, graph, node or agent begins."""
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
        """It ends."""
        self._end(run_id)

    @guarded
    def on_chain_error(self, error: BaseException, *, run_id: UUID, **_: object) -> None:
        """It fails, is cancelled, or leaves its graph on purpose."""
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
        """A tool begins."""
        tool = (serialized or {}).get("name") or "tool"
        self._recorder.begin_tool(str(run_id), parent=_key(parent_run_id), tool=tool)

    @guarded
    def on_tool_end(self, output: object, *, run_id: UUID, **_: object) -> None:
        """It ends; a message of status ``error`` is a failure that the agent gets to see."""
        failed = getattr(output, "status", None) == "error"
        self._recorder.end(str(run_id), error_type="ToolError" if failed else None)

    @guarded
    def on_tool_error(self, error: BaseException, *, run_id: UUID, **_: object) -> None:
        """It fails."""
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
        """A chat model is called."""
        given = metadata or {}
        self._recorder.model(
            _key(parent_run_id), model=given.get("ls_model_name"), provider=given.get("ls_provider")
        )

    def on_llm_start(self, serialized: object, prompts: object, **kwargs: Any) -> None:
        """A completion model is called."""
        self.on_chat_model_start(serialized, prompts, **kwargs)

    @guarded
    def on_llm_end(self, response: Any, *, parent_run_id: UUID | None = None, **_: object) -> None:
        """A model has answered."""
        given, made = _tokens(response)
        self._recorder.call(_key(parent_run_id), input_tokens=given, output_tokens=made)

    @guarded
    def on_llm_error(
        self, error: BaseException, *, parent_run_id: UUID | None = None, **_: object
    ) -> None:
        """A model has not answered."""
        self._recorder.call(_key(parent_run_id))

    def _end(self, run_id: UUID, error: BaseException | None = None) -> None:
        """End what is a task, leave what is a part of one."""
        key = str(run_id)
        run = self._recorder.run(key)
        if run is None:
            return
        if _interrupted(error):
            # The graph waits for a person: its own run ends well, and says so.
            for around in (run, run.parent):
                if around is not None:
                    around.facts["interrupted"] = True
        if run.task_id != key:
            self._recorder.leave(key)
        elif isinstance(error, GIVEN_UP) or _interrupted(error):
            self._recorder.cancel(key, type(error).__qualname__)
        elif error is None or _bubbles(error):
            self._recorder.end(key)
        else:
            self._recorder.end(key, error_type=type(error).__qualname__)


def instrument(client: Emitter | None = None) -> GnomonHandler:
    """Add a handler to every run of this process from now on.

    Args:
        client: Where events go; by default the process's own, ``Client.from_env()``.
    """
    handler = GnomonHandler(client)
    always: ContextVar[GnomonHandler | None] = ContextVar("gnomon_always", default=handler)
    register_configure_hook(always, inheritable=True, handle_class=GnomonHandler)
    return handler


def _key(run_id: UUID | None) -> str | None:
    return None if run_id is None else str(run_id)


def _context(inputs: object) -> dict[str, ContextValue]:
    """What is known beforehand: how many messages there are, never what they say."""
    messages = inputs.get("messages") if isinstance(inputs, dict) else None
    return {"messages": len(messages)} if isinstance(messages, list | tuple) else {}


def _tokens(response: Any) -> tuple[int, int]:
    """Input and output tokens of an answer: of its messages, else of the whole."""
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
    """Whether it is how LangGraph leaves a graph on purpose (LangGraph need not be installed)."""
    return "GraphBubbleUp" in _names(error)


def _interrupted(error: BaseException | None) -> bool:
    return "GraphInterrupt" in _names(error)


_by_variable: ContextVar[GnomonHandler | None] = ContextVar("gnomon_by_variable", default=None)
register_configure_hook(
    _by_variable, inheritable=True, handle_class=GnomonHandler, env_var="GNOMON_TRACE"
)
