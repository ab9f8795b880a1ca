"""Runs real OpenAI Agents SDK agents on a scripted model; prints the events they made."""

import asyncio
import contextlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from agents import (
    Agent,
    GuardrailFunctionOutput,
    InputGuardrail,
    OpenAIChatCompletionsModel,
    OpenAIResponsesModel,
    RunConfig,
    Runner,
    function_tool,
    set_trace_processors,
)
from agents.exceptions import AgentsException
from openai import AsyncOpenAI
from tests.integration.integrations.app_openai_agents import SAID, calculator, model
from tests.integration.integrations.recorded import Broken, Recorded

from gnomon.integrations.openai_agents import GnomonProcessor, instrument

CHAT = {
    "id": "chat-1",
    "object": "chat.completion",
    "created": 0,
    "model": "fake-1",
    "choices": [
        {
            "index": 0,
            "finish_reason": "stop",
            "message": {"role": "assistant", "content": "SECRET answer"},
        }
    ],
    "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15},
}
RESPONSE = {
    "id": "response-1",
    "object": "response",
    "created_at": 0,
    "model": "fake-1",
    "output": [
        {
            "type": "message",
            "id": "message-1",
            "status": "completed",
            "role": "assistant",
            "content": [{"type": "output_text", "text": "SECRET answer", "annotations": []}],
        }
    ],
    "parallel_tool_calls": False,
    "tool_choice": "auto",
    "tools": [],
    "usage": {
        "input_tokens": 10,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": 5,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 15,
    },
}


def boom(a: int) -> int:
    """SECRET failure."""
    raise ValueError(f"SECRET {a}")


async def stuck() -> str:
    """SECRET wait."""
    await asyncio.Event().wait()
    return ""


BOOM_HANDLED = function_tool(boom)
BOOM = function_tool(boom, failure_error_function=None)
STUCK = function_tool(stuck)


def failing(tool: Any, *after: str) -> Agent:
    return Agent(name="failing", model=model(("boom", {"a": 1}), *after), tools=[tool])


def handing_over() -> Agent:
    second = Agent(name="second", model=model("SECRET answer"))
    return Agent(name="first", handoffs=[second], model=model(("transfer_to_second", {})))


def with_colleague() -> Agent:
    ask = calculator().as_tool("ask", "SECRET description")
    return Agent(name="outer", tools=[ask], model=model(("ask", {"input": "SECRET"}), "done"))


def refusing() -> Agent:
    def check(*_: Any) -> GuardrailFunctionOutput:
        return GuardrailFunctionOutput(output_info="SECRET", tripwire_triggered=True)

    guard = InputGuardrail(guardrail_function=check, name="guard")
    return Agent(name="refusing", model=model("x"), input_guardrails=[guard])


async def cut_off() -> None:
    agent = Agent(name="stuck", model=model(("stuck", {})), tools=[STUCK])
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(Runner.run(agent, SAID), 0.3)
    await asyncio.sleep(0)  # the tool's own task ends after its agent's


async def streamed(agent: Agent) -> None:
    async for _ in Runner.run_streamed(agent, SAID).stream_events():
        pass


class Provider(BaseHTTPRequestHandler):
    """Both of OpenAI's interfaces, on loopback: each answer for 10 tokens and 5."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        body = json.dumps(CHAT if "chat" in self.path else RESPONSE).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Says nothing."""


def over_http(kind: Any) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Provider)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    client = AsyncOpenAI(base_url=f"http://127.0.0.1:{server.server_port}/v1", api_key="none")
    agent = Agent(name="remote", model=kind(model="asked-1", openai_client=client))
    Runner.run_sync(agent, SAID)
    server.shutdown()


async def together() -> None:
    await asyncio.gather(*(Runner.run(calculator(), SAID) for _ in range(20)))


def while_handling() -> None:
    """A good run inside an ``except`` block: what is handled there is not the run's error."""
    try:
        int("SECRET")
    except ValueError:
        Runner.run_sync(calculator(), SAID)


def main() -> None:
    recorded = Recorded()
    set_trace_processors([GnomonProcessor(recorded)])
    with recorded.case("agent"):
        Runner.run_sync(calculator(), SAID)
    with recorded.case("named workflow"):
        Runner.run_sync(calculator(), SAID, run_config=RunConfig(workflow_name="sums"))
    with recorded.case("stream"):
        asyncio.run(streamed(calculator()))
    with recorded.case("handled error"):
        Runner.run_sync(failing(BOOM_HANDLED, "done"), SAID)
    with recorded.case("error"), contextlib.suppress(AgentsException):
        Runner.run_sync(failing(BOOM), SAID)
    with recorded.case("model error"), contextlib.suppress(RuntimeError):
        Runner.run_sync(Agent(name="failing", model=model(RuntimeError("SECRET"))), SAID)
    with recorded.case("too many turns"), contextlib.suppress(AgentsException):
        Runner.run_sync(calculator(), SAID, max_turns=1)
    with recorded.case("guardrail"), contextlib.suppress(AgentsException):
        Runner.run_sync(refusing(), SAID)
    with recorded.case("handover"):
        Runner.run_sync(handing_over(), SAID)
    with recorded.case("nested"):
        Runner.run_sync(with_colleague(), SAID)
    with recorded.case("chat completions"):
        over_http(OpenAIChatCompletionsModel)
    with recorded.case("responses"):
        over_http(OpenAIResponsesModel)
    with recorded.case("together"):
        asyncio.run(together())
    with recorded.case("cancelled"):
        asyncio.run(cut_off())
    with recorded.case("while handling"):
        while_handling()
    set_trace_processors([])
    instrument(recorded)
    instrument(Broken())
    with recorded.case("beside a broken client"):
        answer = Runner.run_sync(calculator(), SAID)
    recorded.cases["answer"] = answer.final_output == "SECRET answer"
    recorded.print()


if __name__ == "__main__":
    main()
