"""Spans of other conventions become tasks, and those that do not are counted by reason."""

import json
from collections import Counter
from pathlib import Path

import pytest
from tests.support.genai import Recorder, as_json, as_protobuf
from tests.unit.gateway.support import Kept, serving

from gnomon.events import TaskFinished
from gnomon.otel import decode_json, to_events
from gnomon.otel.otlp_proto import decode_protobuf

CASES = Path(__file__).parent / "cases"

Attributes = dict[str, str | int]
SPANS: dict[str, tuple[Attributes, str, str, dict[str, str | int]]] = {
    "openinference agent": (
        {"openinference.span.kind": "AGENT", "agent.name": "planner", "llm.token_count.prompt": 7,
         "llm.token_count.completion": 3, "llm.token_count.total": 10, "session.id": "s"},
        "planner", "invoke_agent",
        {"input_tokens": 7, "output_tokens": 3, "total_tokens": 10, "conversation_id": "s"},
    ),
    "openinference tool": (
        {"openinference.span.kind": "TOOL", "tool.name": "search"}, "desk", "tool:search", {},
    ),
    "traceloop agent": (
        {"traceloop.span.kind": "agent", "traceloop.entity.name": "writer",
         "traceloop.workflow.name": "blog"},
        "writer", "invoke_agent", {},
    ),
    "traceloop workflow": (
        {"traceloop.span.kind": "workflow", "traceloop.entity.name": "blog"},
        "blog", "invoke_workflow", {},
    ),
    "traceloop tool": (
        {"traceloop.span.kind": "tool", "traceloop.entity.name": "fetch",
         "traceloop.workflow.name": "blog"},
        "blog", "tool:fetch", {},
    ),
    "vercel call": (
        {"operation.name": "ai.generateText support", "ai.operationId": "ai.generateText",
         "ai.telemetry.functionId": "support", "ai.model.id": "gpt-5", "ai.usage.promptTokens": 4},
        "support", "invoke_agent", {"input_tokens": 4},
    ),
    "vercel tool": (
        {"ai.operationId": "ai.toolCall", "ai.toolCall.name": "weather"}, "desk", "tool:weather", {},
    ),
    "claude interaction": ({"span.type": "interaction", "session.id": "c"}, "desk", "invoke_agent",
                           {"conversation_id": "c"}),
    "claude tool": ({"span.type": "tool", "tool_name": "Bash"}, "desk", "tool:Bash", {}),
    "pydantic ai agent": (
        {"agent_name": "assistant", "model_name": "gpt-4o", "gen_ai.usage.input_tokens": 9},
        "assistant", "invoke_agent", {"input_tokens": 9},
    ),
    "pydantic ai tool": (
        {"gen_ai.tool.name": "roll", "gen_ai.tool.call.id": "c1"}, "desk", "tool:roll", {},
    ),
    "autogen": (
        {"gen_ai.operation.name": "invoke_agent", "gen_ai.system": "autogen",
         "gen_ai.agent.name": "critic", "gen_ai.agent.id": "critic_1"},
        "critic", "invoke_agent", {},
    ),
    "google adk": (
        {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "now",
         "gcp.vertex.agent.session_id": "g"},
        "desk", "tool:now", {"conversation_id": "g"},
    ),
}  # fmt: skip
OTHERS: list[tuple[Attributes, str]] = [
    ({"openinference.span.kind": "LLM"}, "part_of_task"),
    ({"traceloop.span.kind": "task"}, "part_of_task"),
    ({"ai.operationId": "ai.generateText.doGenerate"}, "part_of_task"),
    ({"span.type": "llm_request"}, "part_of_task"),
    ({"gen_ai.operation.name": "chat", "openinference.span.kind": "AGENT"}, "part_of_task"),
    ({"http.route": "/"}, "not_genai"),
    ({"agent_name": "somebody"}, "not_genai"),
    ({"openinference.span.kind": 7}, "not_genai"),
    ({}, "not_genai"),
]


def recorded(*spans: Attributes) -> Recorder:
    recorder = Recorder()
    for attributes in spans:
        recorder.tracer.start_span("x", attributes=attributes).end()
    return recorder


@pytest.mark.parametrize("name", SPANS)
def test_a_span_of_another_convention_is_a_task(name: str) -> None:
    attributes, agent, task_type, outcome = SPANS[name]
    ended = recorded(attributes).ended()

    events = to_events(decode_json(as_json(ended))).events

    assert events == to_events(decode_protobuf(as_protobuf(ended))).events
    _, finished = events
    assert isinstance(finished, TaskFinished)
    assert (finished.agent_id, finished.task_type) == (agent, task_type)
    assert finished.outcome == {"otel_mapping": 2, **outcome}


def test_spans_that_are_no_tasks_are_counted_by_reason() -> None:
    ended = recorded(*(attributes for attributes, _ in OTHERS)).ended()
    expected = Counter(reason for _, reason in OTHERS)

    in_json: Counter[str] = Counter()
    in_protobuf: Counter[str] = Counter()
    assert decode_json(as_json(ended), in_json) == []
    assert decode_protobuf(as_protobuf(ended), in_protobuf) == []

    assert in_json == in_protobuf == expected


@pytest.mark.parametrize(
    ("case", "agent", "task_type"),
    [("openinference", "svc", "invoke_agent"), ("vercel", "svc", "tool:weather")],
)
def test_the_spans_that_vanished_are_tasks(case: str, agent: str, task_type: str) -> None:
    start, end = to_events(decode_json((CASES / f"{case}.json").read_bytes())).events

    assert (start.agent_id, end.agent_id) == (agent, agent)
    assert isinstance(end, TaskFinished)
    assert (end.task_type, end.duration_s) == (task_type, 2.5)


async def test_the_gateway_counts_them_and_says_so_where_there_was_no_task() -> None:
    mixed = recorded({"http.route": "/"}, *(spans[0] for spans in SPANS.values()))
    others = recorded(*(attributes for attributes, _ in OTHERS))
    async with serving(Kept()) as gateway:
        sent = {"Content_Type": "application/json"}
        some = await gateway.post("/v1/traces", as_json(mixed.ended()), **sent)
        none = await gateway.post("/v1/traces", as_json(others.ended()), **sent)
        lines = (await gateway.get("/metrics")).body.decode().splitlines()
    assert (some.status, some.said, none.status) == (200, {}, 200)
    said = json.loads(none.body)["partialSuccess"]
    assert said["rejectedSpans"] == "0"
    assert said["errorMessage"] == "5 no task (part_of_task), 4 no task (not_genai)"
    assert 'gnomon_gateway_skipped_spans_total{reason="not_genai"} 5.0' in lines
    assert 'gnomon_gateway_skipped_spans_total{reason="part_of_task"} 5.0' in lines


def test_spans_that_the_real_libraries_made_are_tasks() -> None:
    """The file has the library and version of each; texts of over 60 characters were left out."""
    found = {}
    for recording in json.loads((CASES / "recorded_spans.json").read_text()):
        recorder = Recorder()
        tracer = recorder.provider.get_tracer(recording.get("scope", "tests"))
        for span in recording["spans"]:
            tracer.start_span(span.get("name", "x"), attributes=span["attributes"]).end()
        spans = recorder.ended()
        skipped: Counter[str] = Counter()
        events = to_events(decode_json(as_json(spans), skipped)).events
        assert to_events(decode_protobuf(as_protobuf(spans))).events == events
        finished = [event for event in events if isinstance(event, TaskFinished)]
        found[recording["library"]] = (
            {(event.agent_id, event.task_type) for event in finished},
            dict(skipped),
        )

    assert found == {
        # Its decorators name the agent in the name of the span only, which is not read.
        "openinference-instrumentation": ({("desk", "invoke_agent"), ("desk", "tool:lookup")}, {}),
        "pydantic-ai-slim": (
            {("assistant", "invoke_agent"), ("desk", "tool:roll")},
            {"part_of_task": 2, "not_genai": 1},
        ),
        "autogen-core": (
            {("critic", "invoke_agent"), ("desk", "tool:lookup")},
            {"part_of_task": 1},
        ),
        "google-adk": (
            {
                ("refund_agent", "invoke_agent"),
                ("refund_agent", "invoke_workflow"),
                ("refund_agent", "tool:lookup"),
            },
            {"part_of_task": 2},
        ),
        "traceloop-sdk": (
            {("writer", "invoke_agent"), ("blog", "invoke_workflow"), ("writer", "tool:fetch")},
            {"part_of_task": 1},
        ),
        "llama-index-observability-otel": (
            {("desk", "invoke_agent"), ("desk", "execute_tool")},
            {"part_of_task": 13},
        ),
    }


def test_only_the_names_of_llamaindexs_own_spans_are_read() -> None:
    recorder = Recorder()
    for scope in ("llamaindex.opentelemetry.tracer", "mine"):
        for name in ("RefundWorkflow.run", "ReActAgent.run", "QueryEngineTool.acall", "Cache.call"):
            recorder.provider.get_tracer(scope).start_span(name).end()
    skipped: Counter[str] = Counter()

    events = to_events(decode_json(as_json(recorder.ended()), skipped)).events

    types = [event.task_type for event in events if isinstance(event, TaskFinished)]
    assert sorted(types) == ["execute_tool", "invoke_agent", "invoke_workflow"]
    assert skipped == {"not_genai": 4, "part_of_task": 1}
