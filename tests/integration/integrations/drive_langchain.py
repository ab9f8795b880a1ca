"""Runs real LangChain and LangGraph agents on a scripted model; prints the events they made."""

import asyncio
import contextlib
from typing import Any

from langchain.agents import create_agent
from langchain_core.callbacks import AsyncCallbackHandler
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.tools import ToolException, tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.types import Command, interrupt
from tests.integration.integrations.app_langchain import ADD, SAID, calculator, model
from tests.integration.integrations.recorded import Broken, Recorded

from gnomon.integrations.langchain import GnomonHandler, instrument


def boom(a: int) -> int:
    """SECRET failure."""
    raise ValueError(f"SECRET {a}")


def refuse(a: int) -> int:
    """SECRET refusal, which the agent gets to see."""
    raise ToolException(f"SECRET {a}")


BOOM, REFUSE = tool(boom), tool(refuse)
REFUSE.handle_tool_error = True


def nested_agent() -> Any:
    def ask(question: str) -> str:
        """SECRET colleague."""
        calculator("inner").invoke({"messages": [("user", question)]})
        return "SECRET result"

    return create_agent(model(("ask", {"question": "q"}), "done"), [tool(ask)], name="outer")


def parallel_graph() -> Any:
    graph = StateGraph(MessagesState)
    for branch in ("left", "right"):
        graph.add_node(branch, lambda _: {"messages": [model("x").invoke("SECRET")]})
        graph.add_edge(START, branch)
    graph.add_node("agent", calculator("inner"))
    graph.add_edge(["left", "right"], "agent")
    graph.add_edge("agent", END)
    return graph.compile(name="flow")


def asking_graph() -> Any:
    graph = StateGraph(MessagesState)
    graph.add_node("ask", lambda _: {"messages": [str(interrupt("SECRET?"))]})
    graph.add_edge(START, "ask")
    return graph.compile(name="asking", checkpointer=InMemorySaver())


async def stuck(_: Any) -> dict[str, Any]:
    await asyncio.Event().wait()
    return {}


def stuck_graph() -> Any:
    graph = StateGraph(MessagesState)
    graph.add_node("stuck", stuck)
    graph.add_edge(START, "stuck")
    return graph.compile(name="stuck")


async def streamed(agent: Any) -> None:
    async for _ in agent.astream(SAID, stream_mode="messages"):
        pass


async def cut_off(agent: Any) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(agent.ainvoke(SAID), 0.2)


class Peer(AsyncCallbackHandler):  # type: ignore[misc]  # not installed where this is checked
    """Another's handler, which must go on working beside ours."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    async def on_chain_start(self, *_: Any, **__: Any) -> None:
        self.seen.append("chain")

    async def on_chat_model_start(self, *_: Any, **__: Any) -> None:
        self.seen.append("model")

    async def on_tool_start(self, *_: Any, **__: Any) -> None:
        self.seen.append("tool")


def main() -> None:
    recorded = Recorded()
    instrument(recorded)
    with recorded.case("agent"):
        calculator().invoke(SAID)
    with recorded.case("named like a node"):
        calculator("model").invoke(SAID)
    with recorded.case("async stream"):
        asyncio.run(streamed(calculator()))
    with recorded.case("error"), contextlib.suppress(ValueError):
        create_agent(model(("boom", {"a": 1})), [BOOM], name="failing").invoke(SAID)
    with recorded.case("refused tool"):
        create_agent(model(("refuse", {"a": 1}), "done"), [REFUSE], name="careful").invoke(SAID)
    with recorded.case("nested"):
        nested_agent().invoke(SAID)
    with recorded.case("parallel graph"):
        parallel_graph().invoke(SAID)
    with recorded.case("batch"):
        calculator().batch([SAID] * 20)
    with recorded.case("cancelled"):
        asyncio.run(cut_off(stuck_graph()))
    with recorded.case("stream closed early"):
        stream = calculator().stream(SAID)
        next(stream)
        stream.close()
    asking, thread = asking_graph(), {"configurable": {"thread_id": "1"}}
    with recorded.case("waits for a person"):
        asking.invoke(SAID, thread)
    with recorded.case("goes on"):
        asking.invoke(Command(resume="SECRET yes"), thread)
    with recorded.case("chain"):
        prompt = ChatPromptTemplate.from_messages([("user", "SECRET {x}")])
        (prompt | model("done")).invoke({"x": 1}, {"run_name": "summary"})
        prompt.invoke({"x": 1})
        model("done").invoke("SECRET")
    with recorded.case("tool alone"):
        ADD.invoke({"a": 1, "b": 2})
    with recorded.case("given twice"):
        calculator().invoke(SAID, {"callbacks": [GnomonHandler(recorded)]})
    peer = Peer()
    asyncio.run(calculator().ainvoke(SAID, {"callbacks": [peer]}))
    recorded.cases["peer"] = sorted(set(peer.seen))
    with recorded.case("broken client"):
        answer = calculator().invoke(SAID, {"callbacks": [GnomonHandler(Broken())]})
    recorded.cases["answer"] = len(answer["messages"])
    recorded.print()


if __name__ == "__main__":
    main()
