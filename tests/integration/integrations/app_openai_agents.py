"""An application of the OpenAI Agents SDK that knows nothing of gnomon: it adds two numbers."""

import itertools
from typing import Any

from agents import Agent, Runner, function_tool
from agents.testing import ModelStep, ScriptedModel, assistant_message, function_call
from agents.usage import Usage

USAGE = Usage(requests=1, input_tokens=10, output_tokens=5, total_tokens=15)
CALL_IDS = itertools.count()
SAID = "SECRET question"


def model(*answers: str | tuple[str, dict[str, Any]] | Exception) -> ScriptedModel:
    """A model that answers, asks for a tool or fails; each time for 10 tokens and 5."""
    steps = []
    for answer in answers:
        if isinstance(answer, Exception):
            steps.append(ModelStep.raise_error(answer))
        elif isinstance(answer, str):
            steps.append(ModelStep(output=[assistant_message(answer)], usage=USAGE))
        else:
            asked = function_call(*answer, call_id=f"call-{next(CALL_IDS)}")
            steps.append(ModelStep(output=[asked], usage=USAGE))
    return ScriptedModel(steps, emit_traces=True)


def add(a: int, b: int) -> int:
    """SECRET sum."""
    return a + b


ADD = function_tool(add)


def calculator(**more: Any) -> Agent:
    script = model(("add", {"a": 1, "b": 2}), "SECRET answer")
    return Agent(name="calculator", model=script, tools=[ADD], **more)


if __name__ == "__main__":
    Runner.run_sync(calculator(), SAID)
