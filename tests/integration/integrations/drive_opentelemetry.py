"""Runs real agents under OpenTelemetry's own instrumentation; prints the events they made."""

import contextlib
from typing import Any

from agents import Agent, Runner
from agents.exceptions import AgentsException
from opentelemetry.instrumentation.genai.openai_agents import OpenAIAgentsInstrumentor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from tests.integration.integrations.app_openai_agents import SAID, calculator, model
from tests.integration.integrations.recorded import Broken, Recorded

from gnomon.integrations.opentelemetry import GnomonSpanProcessor


class Flushed(Recorded):
    """A recorder from which nothing is lost."""

    def flush(self, timeout_s: float) -> int:
        """As ``Client.flush``."""
        return 0


class BrokenFlushed(Broken):
    """A client that breaks its promise, and flushes."""

    def flush(self, timeout_s: float) -> int:
        """As ``Client.flush``."""
        return 0


def provider(client: Any) -> TracerProvider:
    made = TracerProvider(resource=Resource({"service.name": "desk"}), shutdown_on_exit=False)
    made.add_span_processor(GnomonSpanProcessor(client))
    return made


def main() -> None:
    recorded = Flushed()
    instrumentor = OpenAIAgentsInstrumentor()
    instrumentor.instrument(tracer_provider=provider(recorded))
    with recorded.case("agent"):
        Runner.run_sync(calculator(), SAID)
    with recorded.case("model error"), contextlib.suppress(RuntimeError):
        Runner.run_sync(Agent(name="failing", model=model(RuntimeError("SECRET"))), SAID)
    with recorded.case("too many turns"), contextlib.suppress(AgentsException):
        Runner.run_sync(calculator(), SAID, max_turns=1)
    instrumentor.uninstrument()
    instrumentor.instrument(tracer_provider=provider(BrokenFlushed()))
    answer = Runner.run_sync(calculator(), SAID)
    recorded.cases["answer"] = answer.final_output == "SECRET answer"
    recorded.print()


if __name__ == "__main__":
    main()
