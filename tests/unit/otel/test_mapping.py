"""Tests of the mapping from a span to task events: what is copied, what never is, what is refused."""

from typing import Any

import msgspec
import pytest

from gnomon import codec
from gnomon.errors import EventError
from gnomon.events import ContextValue, TaskFinished, TaskStarted
from gnomon.otel import Span, finished, started, to_events

TRACE, SPAN, PARENT = "5b8efff798038103d269b633813fc60c", "eee19b7ec3c1b174", "eee19b7ec3c1b173"
AT_NS = 1_760_000_000_123_456_789


def a_span(
    operation: str = "invoke_agent",
    *,
    start_ns: int = AT_NS,
    took_ns: int = 1_500_000_000,
    span_id: str = SPAN,
    trace_id: str = TRACE,
    parent: str = PARENT,
    failed: bool = False,
    service: str = "desk",
    **attributes: Any,
) -> Span:
    """``agent__name`` stands for ``gen_ai.agent.name``."""
    named = {f"gen_ai.{name.replace('__', '.')}": value for name, value in attributes.items()}
    return Span(
        trace_id=trace_id,
        span_id=span_id,
        parent_span_id=parent,
        start_ns=start_ns,
        end_ns=start_ns + took_ns,
        attributes={"gen_ai.operation.name": operation, **named},
        failed=failed,
        service=service,
    )


def test_an_agents_run_in_the_words_of_today() -> None:
    span = a_span(
        agent__name="router",
        agent__id="asst_5j66",
        agent__version="1.2",
        provider__name="openai",
        request__model="gpt-4o",
        response__model="gpt-4o-2024-08-06",
        conversation__id="conv_5j66",
        usage__input_tokens=100,
        usage__output_tokens=180,
    )
    context: dict[str, ContextValue] = {
        "provider": "openai",
        "model": "gpt-4o",
        "agent_version": "1.2",
    }
    assert started(span) == TaskStarted(
        agent_id="router",
        task_id=f"{TRACE}-{SPAN}",
        task_type="invoke_agent",
        started_at_ms=1_760_000_000_123,
        context=context,
        traceparent=f"00-{TRACE}-{PARENT}-01",
    )
    assert finished(span) == TaskFinished(
        agent_id="router",
        task_id=f"{TRACE}-{SPAN}",
        task_type="invoke_agent",
        started_at_ms=1_760_000_000_123,
        finished_at_ms=1_760_000_001_623,
        duration_s=1.5,
        succeeded=True,
        context=context,
        outcome={
            "otel_mapping": 2,
            "input_tokens": 100,
            "output_tokens": 180,
            "response_model": "gpt-4o-2024-08-06",
            "conversation_id": "conv_5j66",
        },
        traceparent=f"00-{TRACE}-{PARENT}-01",
    )


def test_the_older_words_say_the_same() -> None:
    today = a_span(
        agent__name="router",
        provider__name="openai",
        usage__input_tokens=100,
        usage__output_tokens=180,
    )
    before = a_span(
        agent__name="router",
        system="openai",
        usage__prompt_tokens=100,
        usage__completion_tokens=180,
    )
    assert finished(before) == finished(today)


def test_where_both_generations_speak_the_newer_is_believed() -> None:
    end = finished(
        a_span(
            system="az.ai.openai",
            provider__name="azure.ai.openai",
            usage__prompt_tokens=1,
            usage__input_tokens=2,
        )
    )
    assert end is not None
    assert (end.context["provider"], end.outcome["input_tokens"]) == ("azure.ai.openai", 2)


@pytest.mark.parametrize(
    ("operation", "attributes", "agent_id", "task_type"),
    [
        ("invoke_agent", {"agent__name": "a", "agent__id": "7"}, "a", "invoke_agent"),
        ("invoke_agent", {"agent__name": "", "agent__id": "7"}, "7", "invoke_agent"),
        ("invoke_agent", {"agent__name": 5}, "desk", "invoke_agent"),
        ("invoke_workflow", {"workflow__name": "crew"}, "crew", "invoke_workflow"),
        ("invoke_workflow", {"agent__name": "crew"}, "crew", "invoke_workflow"),
        ("execute_tool", {"tool__name": "search"}, "desk", "tool:search"),
        ("execute_tool", {"agent__name": "a", "tool__name": ""}, "a", "execute_tool"),
        ("invoke_agent", {"tool__name": "search"}, "desk", "invoke_agent"),
    ],
)
def test_who_does_what(
    operation: str, attributes: dict[str, Any], agent_id: str, task_type: str
) -> None:
    start = started(a_span(operation, **attributes))
    assert start is not None
    assert (start.agent_id, start.task_type) == (agent_id, task_type)


def test_nobody_named_at_all() -> None:
    start = started(a_span(service=""))
    assert start is not None
    assert start.agent_id == "unknown_agent"


@pytest.mark.parametrize("operation", ["chat", "embeddings", "create_agent", "", "INVOKE_AGENT"])
def test_what_is_no_task(operation: str) -> None:
    assert started(a_span(operation)) is None
    assert finished(a_span(operation)) is None


@pytest.mark.parametrize("value", [None, 7, ["invoke_agent"], {"a": 1}])
def test_an_operation_that_is_no_text_is_none(value: object) -> None:
    span = msgspec.structs.replace(a_span(), attributes={"gen_ai.operation.name": value})
    assert started(span) is None


@pytest.mark.parametrize(
    ("failed", "error_type", "succeeded"),
    [(False, None, True), (True, None, False), (False, "timeout", False), (True, "Boom", False)],
)
def test_success_is_neither_an_error_status_nor_an_error_type(
    failed: bool,  # noqa: FBT001  a column of the table
    error_type: str | None,
    succeeded: bool,  # noqa: FBT001
) -> None:
    span = a_span(failed=failed)
    end = finished(
        msgspec.structs.replace(span, attributes={**span.attributes, "error.type": error_type})
    )
    assert end is not None
    assert (end.succeeded, end.error_type) == (succeeded, error_type)


def test_what_people_said_is_never_taken_over() -> None:
    span = a_span(
        agent__name="router",
        input__messages="MARKER",
        output__messages="MARKER",
        system_instructions="MARKER",
        prompt="MARKER",
        completion="MARKER",
        tool__call__arguments="MARKER",
        tool__call__result="MARKER",
        agent__description="MARKER",
    )
    for event in (started(span), finished(span)):
        assert b"MARKER" not in codec.encode(event)


def test_a_root_span_has_no_traceparent() -> None:
    start = started(a_span(parent=""))
    assert start is not None
    assert start.traceparent is None


def test_the_end_keeps_to_what_was_said_at_the_start() -> None:
    start = started(a_span(agent__name="router"))
    end = finished(a_span(agent__name="renamed", request__model="m", usage__input_tokens=3), start)
    assert end is not None
    assert (end.agent_id, end.context, end.outcome["input_tokens"]) == ("router", {}, 3)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"trace_id": "0" * 32}, "span_ids"),
        ({"trace_id": TRACE[1:]}, "span_ids"),
        ({"trace_id": TRACE.upper()}, "span_ids"),
        ({"span_id": "0" * 16}, "span_ids"),
        ({"span_id": ""}, "span_ids"),
        ({"start_ns": 0}, "span_times"),
        ({"start_ns": -1}, "span_times"),
        ({"start_ns": 2**64}, "span_times"),
        ({"took_ns": -1}, "span_times"),
        ({"took_ns": 9_000_000 * 10**9 + 1}, "span_times"),
    ],
)
def test_what_cannot_be_is_refused(changed: dict[str, Any], reason: str) -> None:
    with pytest.raises(EventError) as refused:
        finished(a_span(**changed))
    assert refused.value.reason == reason


@pytest.mark.parametrize("value", [-1, 2**53, True, 1.5, "12", None])
def test_a_count_that_is_none_is_left_out(value: object) -> None:
    end = finished(a_span(usage__input_tokens=value))
    assert end is not None
    assert "input_tokens" not in end.outcome


def test_an_inner_span_ends_first_and_its_start_comes_second() -> None:
    outer = a_span(agent__name="router", took_ns=3_000_000_000, parent="")
    inner = a_span(
        "execute_tool",
        tool__name="search",
        start_ns=AT_NS + 1_000_000_000,
        took_ns=1_000_000_000,
        span_id=PARENT,
        parent=SPAN,
    )
    bad = a_span(span_id="")
    found = to_events([inner, bad, EventError("invalid_span"), a_span("chat"), outer])
    assert [(type(event).__name__, event.task_id[-16:]) for event in found.events] == [
        ("TaskStarted", SPAN),
        ("TaskStarted", PARENT),
        ("TaskFinished", PARENT),
        ("TaskFinished", SPAN),
    ]
    assert [error.reason for error in found.refused] == ["span_ids", "invalid_span"]
