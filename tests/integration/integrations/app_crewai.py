"""An application of CrewAI that knows nothing of gnomon: a crew that adds two numbers."""

from typing import Any

from crewai import Agent, BaseLLM, Crew, Task
from crewai.llms.base_llm import LLMCallType
from crewai.tools import tool

FINAL = "Thought: I now know the final answer\nFinal Answer: SECRET answer"
USAGE = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}


def use(name: str, given: str) -> str:
    """An answer that asks for a tool."""
    return f"Thought: SECRET\nAction: {name}\nAction Input: {given}\n"


SUM = use("add", '{"a": 1, "b": 2}')


class Model(BaseLLM):  # type: ignore[misc]  # not installed where this is checked
    """Says what it is told to, with the events and the cost that a provider reports."""

    answers: list[Any]

    def call(self, messages: Any, *_: Any, **kwargs: Any) -> str:
        about = {key: kwargs.get(key) for key in ("from_task", "from_agent")}
        self._emit_call_started_event(messages=messages, **about)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            self._emit_call_failed_event(error=str(answer), **about)
            raise answer
        kind = LLMCallType.LLM_CALL
        self._emit_call_completed_event(response=answer, call_type=kind, usage=USAGE, **about)
        return str(answer)

    def supports_function_calling(self) -> bool:
        return False


def add(a: int, b: int) -> int:
    """SECRET sum."""
    return a + b


ADD = tool("add")(add)


def agent(role: str, *answers: Any, tools: Any = (), **more: Any) -> Agent:
    return Agent(
        role=role,
        goal="SECRET goal",
        backstory="SECRET past",
        llm=Model(model="fake-1", provider="fake", answers=list(answers)),
        tools=list(tools),
        **more,
    )


def task(by: Agent, name: str | None) -> Task:
    return Task(description="SECRET work", expected_output="SECRET", agent=by, name=name)


def crew(*tasks: Task) -> Crew:
    return Crew(agents=[each.agent for each in tasks], tasks=list(tasks), name="SECRET crew")


def calculator(role: str = "calculator") -> Agent:
    return agent(role, SUM, FINAL, tools=[ADD])


if __name__ == "__main__":
    crew(task(calculator(), "sum it")).kickoff()
