"""Real agents of the OpenAI Agents SDK become tasks."""

from typing import Any

import pytest
from tests.integration.integrations.event_sequence import (
    CALCULATION,
    TWO_CALLS,
    check_pairs,
    ends,
    event_sequence,
    finish,
)
from tests.support.frameworks import driven

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def cases() -> dict[str, Any]:
    return driven("openai-agents")


@pytest.mark.parametrize("case", ["agent", "stream", "while handling", "beside a broken client"])
def test_an_agent_is_a_task_and_so_is_its_tool(cases: dict[str, Any], case: str) -> None:
    assert event_sequence(cases[case]) == CALCULATION
    check_pairs(cases[case], tasks=2)
    assert ends(cases[case]) == {"tool:add": (True, None), "calculator": (True, None)}
    end = finish(cases[case], "calculator")
    assert end["context"] == {"framework": "openai-agents"}
    assert end["outcome"] == TWO_CALLS


def test_a_workflow_with_a_name_is_the_task_type(cases: dict[str, Any]) -> None:
    assert finish(cases["named workflow"], "sums")["agent_id"] == "calculator"


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        ("handled error", {"tool:boom": (False, "ToolError"), "failing": (True, None)}),
        ("error", {"tool:boom": (False, "UserError"), "failing": (False, "UserError")}),
        ("model error", {"failing": (False, "RuntimeError")}),
        (
            "too many turns",
            {"tool:add": (True, None), "calculator": (False, "MaxTurnsExceeded")},
        ),
        ("guardrail", {"refusing": (False, "InputGuardrailTripwireTriggered")}),
    ],
)
def test_an_error_is_named_by_its_type(
    cases: dict[str, Any], case: str, expected: dict[str, tuple[bool, str | None]]
) -> None:
    assert ends(cases[case]) == expected


def test_who_hands_over_ends_before_the_next_begins(cases: dict[str, Any]) -> None:
    assert event_sequence(cases["handover"]) == [
        ("task_started.v1", "first", "first"),
        ("task_finished.v1", "first", "first"),
        ("task_started.v1", "second", "second"),
        ("task_finished.v1", "second", "second"),
    ]
    one_call = {"llm_calls": 1, "tool_calls": 0, "input_tokens": 10, "output_tokens": 5}
    assert finish(cases["handover"], "first")["outcome"] == {**one_call, "handed_over": True}
    assert finish(cases["handover"], "second")["outcome"] == one_call


def test_an_agent_used_as_a_tool_is_a_task_within(cases: dict[str, Any]) -> None:
    assert [row[1:] for row in event_sequence(cases["nested"])] == [
        ("outer", "outer"),
        ("outer", "tool:ask"),
        ("calculator", "calculator"),
        ("calculator", "tool:add"),
        ("calculator", "tool:add"),
        ("calculator", "calculator"),
        ("outer", "tool:ask"),
        ("outer", "outer"),
    ]
    check_pairs(cases["nested"], tasks=4)
    assert finish(cases["nested"], "calculator")["outcome"] == TWO_CALLS
    assert finish(cases["nested"], "outer")["outcome"] == {
        "llm_calls": 4,
        "tool_calls": 2,
        "input_tokens": 40,
        "output_tokens": 20,
    }


@pytest.mark.parametrize(
    ("case", "model"),
    [("chat completions", "asked-1"), ("responses", "fake-1")],
)
def test_the_sdks_own_models_say_their_name_and_cost(
    cases: dict[str, Any], case: str, model: str
) -> None:
    assert finish(cases[case], "remote")["outcome"] == {
        "llm_calls": 1,
        "tool_calls": 0,
        "input_tokens": 10,
        "output_tokens": 5,
        "model": model,
    }


def test_runs_side_by_side_stay_apart(cases: dict[str, Any]) -> None:
    check_pairs(cases["together"], tasks=40)
    outcomes = [
        event["outcome"]
        for event in cases["together"]
        if event["kind"] == "task_finished.v1" and event["task_type"] == "calculator"
    ]
    assert outcomes == 20 * [TWO_CALLS]


def test_what_is_given_up_is_cancelled(cases: dict[str, Any]) -> None:
    assert sorted(event_sequence(cases["cancelled"])) == [
        ("task_cancelled.v1", "stuck", "CancelledError"),
        ("task_cancelled.v1", "stuck", "CancelledError"),
        ("task_started.v1", "stuck", "stuck"),
        ("task_started.v1", "stuck", "tool:stuck"),
    ]
    check_pairs(cases["cancelled"], tasks=2)


def test_an_error_of_ours_does_not_reach_the_agent(cases: dict[str, Any]) -> None:
    assert cases["answer"] is True
