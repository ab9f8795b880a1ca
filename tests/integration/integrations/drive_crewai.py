"""Runs real CrewAI crews on a scripted model; prints the events they made.

CrewAI keeps files under ``CREWAI_STORAGE_DIR`` and reports to its makers unless told not to:
who runs this sets the variables.
"""

import contextlib
from typing import Any

from crewai import Crew
from crewai.events import crewai_event_bus
from crewai.events.types.task_events import TaskCompletedEvent, TaskStartedEvent
from crewai.tools import tool
from tests.integration.integrations.app_crewai import (
    FINAL,
    Model,
    agent,
    calculator,
    crew,
    task,
    use,
)
from tests.integration.integrations.recorded import Broken, Recorded

from gnomon.integrations.crewai import instrument


def boom(a: int) -> int:
    """SECRET failure."""
    raise ValueError(f"SECRET {a}")


BOOM = tool("boom")(boom)


def delegating() -> Crew:
    asked = '{"task": "SECRET", "context": "SECRET", "coworker": "colleague"}'
    delegate = use("delegate_work_to_coworker", asked)
    lead = agent("lead", delegate, FINAL, allow_delegation=True)
    colleague = agent("colleague", FINAL)
    return Crew(agents=[lead, colleague], tasks=[task(lead, "lead it")])


class Silent(Model):
    """A model of a provider that forgets to say that it has answered."""

    def call(self, messages: Any, *_: Any, **kwargs: Any) -> str:
        self._emit_call_started_event(messages=messages, from_task=kwargs.get("from_task"))
        return FINAL


def forgetful() -> Crew:
    speaker = agent("speaker")
    speaker.llm = Silent(model="fake-1", provider="fake", answers=[])
    return crew(task(speaker, "say it"))


def play_again(crew: Crew) -> None:
    """Have CrewAI hand out once more what it handed out before, as from a checkpoint."""
    seen: list[tuple[Any, Any]] = []
    crewai_event_bus.on(TaskStartedEvent)(lambda source, event: seen.append((source, event)))
    crewai_event_bus.on(TaskCompletedEvent)(lambda source, event: seen.append((source, event)))
    crew.kickoff()
    crewai_event_bus.flush()
    for source, event in [*seen]:
        crewai_event_bus.replay(source, event)
    crewai_event_bus.flush()


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
    with settled(recorded, "call without an end"):
        forgetful().kickoff()
    with settled(recorded, "played and replayed"):
        play_again(crew(task(calculator(), "sum it")))
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
