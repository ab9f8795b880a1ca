"""Runs real CrewAI crews on a scripted model; prints the events they made.

CrewAI keeps files under ``CREWAI_STORAGE_DIR`` and reports to its makers unless told not to:
who runs this sets the variables.
"""

import contextlib
from typing import Any

from crewai import Agent, BaseLLM, Crew, Task
from crewai.events import crewai_event_bus
from crewai.llms.base_llm import LLMCallType
from crewai.tools import tool
from tests.integration.integrations.recorded import Broken, Recorded

from gnomon.integrations.crewai import instrument

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


def boom(a: int) -> int:
    """SECRET failure."""
    raise ValueError(f"SECRET {a}")


ADD, BOOM = tool("add")(add), tool("boom")(boom)


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


def delegating() -> Crew:
    asked = '{"task": "SECRET", "context": "SECRET", "coworker": "colleague"}'
    delegate = use("delegate_work_to_coworker", asked)
    lead = agent("lead", delegate, FINAL, allow_delegation=True)
    colleague = agent("colleague", FINAL)
    return Crew(agents=[lead, colleague], tasks=[task(lead, "lead it")])


@contextlib.contextmanager
def settled(recorded: Recorded, name: str) -> Any:
    """A case that ends when the bus has handed over all there was."""
    with recorded.case(name):
        yield
        crewai_event_bus.flush()


def main() -> None:
    recorded = Recorded()
    instrument(recorded)
    with settled(recorded, "crew"):
        crew(task(calculator(), "sum it")).kickoff()
    with settled(recorded, "two tasks"):
        crew(task(calculator("first"), "one"), task(calculator("second"), None)).kickoff()
    with settled(recorded, "failing tool"):
        crew(task(agent("calculator", use("boom", '{"a": 1}'), FINAL, tools=[BOOM]), "t")).kickoff()
    with settled(recorded, "error"), contextlib.suppress(RuntimeError):
        failing = agent("failing", RuntimeError("SECRET"), max_retry_limit=0)
        crew(task(failing, "fail")).kickoff()
    with settled(recorded, "alone"):
        calculator("alone").kickoff("SECRET question")
    with settled(recorded, "delegation"):
        delegating().kickoff()
    with settled(recorded, "many"):
        for _ in range(20):
            crew(task(calculator(), "sum it")).kickoff()
    instrument(Broken())
    with settled(recorded, "beside a broken client"):
        answer = crew(task(calculator(), "sum it")).kickoff()
    recorded.cases["answer"] = answer.raw == "SECRET answer"
    recorded.print()


if __name__ == "__main__":
    main()
