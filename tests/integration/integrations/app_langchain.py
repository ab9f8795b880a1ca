"""An application of LangChain that knows nothing of gnomon: an agent that adds two numbers."""

from typing import Any

from langchain.agents import create_agent
from langchain_core.language_models.fake_chat_models import FakeMessagesListChatModel
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.tools import tool

SAID: Any = {"messages": [("system", "SECRET rules"), ("user", "SECRET question")]}
SUM = ("add", {"a": 1, "b": 2})


class Model(FakeMessagesListChatModel):  # type: ignore[misc]  # not installed where this is checked
    """Says what it is told to, and what it cost: the next answer after each result of a tool."""

    def _generate(self, messages: list[Any], *_: Any, **__: Any) -> ChatResult:
        results = sum(message.type == "tool" for message in messages)
        return ChatResult(generations=[ChatGeneration(message=self.responses[results])])

    def bind_tools(self, tools: Any, **_: Any) -> "Model":
        return self

    def _get_ls_params(self, stop: Any = None, **_: Any) -> dict[str, str]:
        return {"ls_provider": "fake", "ls_model_name": "fake-1", "ls_model_type": "chat"}


def model(*answers: str | tuple[str, dict[str, Any]]) -> Model:
    """A model that answers, or asks for a tool; each time for 10 tokens and 5."""
    usage = {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15}
    messages = []
    for answer in answers:
        text, calls = ("SECRET answer", []) if isinstance(answer, str) else ("", [answer])
        asked = [{"name": n, "args": a, "id": f"call-{n}"} for n, a in calls]
        messages.append(AIMessage(text, tool_calls=asked, usage_metadata=usage))
    return Model(responses=messages)


def add(a: int, b: int) -> int:
    """SECRET sum."""
    return a + b


ADD = tool(add)


def calculator(name: str | None = "calculator") -> Any:
    return create_agent(model(SUM, "done"), [ADD], name=name)


if __name__ == "__main__":
    calculator().invoke(SAID)
