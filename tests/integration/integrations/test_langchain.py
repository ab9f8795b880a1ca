"""Real LangChain and LangGraph agents become tasks."""

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
    return driven("langchain")


@pytest.mark.parametrize("case", ["agent", "async stream", "given twice"])
def test_an_agent_is_a_task_and_so_is_its_tool(cases: dict[str, Any], case: str) -> None:
    assert event_sequence(cases[case]) == CALCULATION
    check_pairs(cases[case], tasks=2)
    end = finish(cases[case], "calculator")
    assert end["context"] == {"framework": "langchain", "messages": 2}
    assert end["outcome"] == {**TWO_CALLS, "model": "fake-1", "provider": "fake"}


def test_on_an_event_loop_the_handler_stays_on_its_thread(cases: dict[str, Any]) -> None:
    assert cases["threads of cancelled"] == ["MainThread"]


def test_an_error_is_named_by_its_type(cases: dict[str, Any]) -> None:
    failed = (False, "ValueError")
    assert ends(cases["error"]) == {"tool:boom": failed, "failing": failed}


def test_a_tool_may_fail_and_the_agent_succeed(cases: dict[str, Any]) -> None:
    assert ends(cases["refused tool"]) == {
        "tool:refuse": (False, "ToolError"),
        "careful": (True, None),
    }


def test_an_agent_used_as_a_tool_is_a_task_within(cases: dict[str, Any]) -> None:
    assert event_sequence(cases["nested"]) == [
        ("task_started.v1", "outer", "outer"),
        ("task_started.v1", "outer", "tool:ask"),
        ("task_started.v1", "inner", "inner"),
        ("task_started.v1", "inner", "tool:add"),
        ("task_finished.v1", "inner", "tool:add"),
        ("task_finished.v1", "inner", "inner"),
        ("task_finished.v1", "outer", "tool:ask"),
        ("task_finished.v1", "outer", "outer"),
    ]
    outer, inner = (finish(cases["nested"], name)["outcome"] for name in ("outer", "inner"))
    assert (outer["llm_calls"], outer["tool_calls"], outer["input_tokens"]) == (4, 2, 40)
    assert (inner["llm_calls"], inner["tool_calls"], inner["input_tokens"]) == (2, 1, 20)


def test_nodes_are_parts_of_their_graph_unless_they_are_agents(cases: dict[str, Any]) -> None:
    assert event_sequence(cases["parallel graph"]) == [
        ("task_started.v1", "flow", "flow"),
        ("task_started.v1", "inner", "inner"),
        ("task_started.v1", "inner", "tool:add"),
        ("task_finished.v1", "inner", "tool:add"),
        ("task_finished.v1", "inner", "inner"),
        ("task_finished.v1", "flow", "flow"),
    ]
    outcome = finish(cases["parallel graph"], "flow")["outcome"]
    assert (outcome["llm_calls"], outcome["output_tokens"]) == (4, 20)


def test_runs_side_by_side_stay_apart(cases: dict[str, Any]) -> None:
    check_pairs(cases["batch"], tasks=40)
    outcomes = [
        event["outcome"]
        for event in cases["batch"]
        if event["kind"] == "task_finished.v1" and event["task_type"] == "calculator"
    ]
    assert outcomes == 20 * [{**TWO_CALLS, "model": "fake-1", "provider": "fake"}]


def test_an_agent_may_be_named_like_one_of_its_nodes(cases: dict[str, Any]) -> None:
    assert [row[2] for row in event_sequence(cases["named like a node"])] == [
        "model",
        "tool:add",
        "tool:add",
        "model",
    ]


@pytest.mark.parametrize(
    ("case", "agent", "reason"),
    [
        ("cancelled", "stuck", "CancelledError"),
        ("stream closed early", "calculator", "GeneratorExit"),
    ],
)
def test_what_is_given_up_is_cancelled(
    cases: dict[str, Any], case: str, agent: str, reason: str
) -> None:
    assert event_sequence(cases[case]) == [
        ("task_started.v1", agent, agent),
        ("task_cancelled.v1", agent, reason),
    ]


def test_a_graph_that_waits_for_a_person_says_so(cases: dict[str, Any]) -> None:
    waits, goes_on = (finish(cases[case], "asking") for case in ("waits for a person", "goes on"))
    assert waits["succeeded"]
    assert waits["outcome"] == {"llm_calls": 0, "tool_calls": 0, "interrupted": True}
    assert goes_on["outcome"] == {"llm_calls": 0, "tool_calls": 0}


def test_a_chain_is_a_task_and_a_lone_prompt_or_model_is_none(cases: dict[str, Any]) -> None:
    assert event_sequence(cases["chain"]) == [
        ("task_started.v1", "summary", "summary"),
        ("task_finished.v1", "summary", "summary"),
    ]


def test_a_tool_without_an_agent_is_its_own(cases: dict[str, Any]) -> None:
    assert event_sequence(cases["tool alone"]) == [
        ("task_started.v1", "add", "tool:add"),
        ("task_finished.v1", "add", "tool:add"),
    ]


def test_others_handlers_go_on_working(cases: dict[str, Any]) -> None:
    assert cases["peer"] == ["chain", "model", "tool"]


def test_an_error_of_ours_does_not_reach_the_agent(cases: dict[str, Any]) -> None:
    assert cases["answer"] == 5  # messages: two said, a call, its result, the answer
    assert cases["broken client"] == []  # given in the call, it took the place of the other
