"""Real CrewAI crews become tasks."""

from typing import Any

import pytest
from tests.integration.integrations.event_sequence import (
    TWO_CALLS,
    check_pairs,
    ends,
    event_sequence,
    finish,
)
from tests.support.frameworks import driven

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

CONTEXT = {"framework": "crewai", "tools": 1, "model": "fake-1", "provider": "fake"}


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = str(tmp_path_factory.mktemp("crewai"))
    environ = {
        "HOME": folder,
        "CREWAI_STORAGE_DIR": folder,
        "CREWAI_DISABLE_TELEMETRY": "true",
        "CREWAI_TRACING_ENABLED": "false",
        "OTEL_SDK_DISABLED": "true",
    }
    return driven("crewai", environ=environ)


@pytest.mark.parametrize("case", ["crew", "beside a broken client"])
def test_a_task_of_a_crew_is_a_task_and_so_is_its_tool(cases: dict[str, Any], case: str) -> None:
    # Starts and ends of different tasks may overtake one another; those of one may not.
    assert sorted(event_sequence(cases[case])) == [
        ("task_finished.v1", "calculator", "sum it"),
        ("task_finished.v1", "calculator", "tool:add"),
        ("task_started.v1", "calculator", "sum it"),
        ("task_started.v1", "calculator", "tool:add"),
    ]
    check_pairs(cases[case], tasks=2)
    end = finish(cases[case], "sum it")
    assert end["context"] == CONTEXT
    assert end["outcome"] == TWO_CALLS


def test_each_agent_has_its_own_and_a_task_without_a_name_does_not_tell_its_text(
    cases: dict[str, Any],
) -> None:
    check_pairs(cases["two tasks"], tasks=4)
    assert finish(cases["two tasks"], "one")["agent_id"] == "first"
    assert finish(cases["two tasks"], "task")["agent_id"] == "second"


def test_each_attempt_of_a_tool_counts_and_the_task_may_succeed(cases: dict[str, Any]) -> None:
    check_pairs(cases["failing tool"], tasks=4)
    assert ends(cases["failing tool"]) == {"tool:boom": (False, "ValueError"), "t": (True, None)}
    assert finish(cases["failing tool"], "t")["outcome"]["tool_calls"] == 3


def test_an_error_is_named_by_its_type(cases: dict[str, Any]) -> None:
    assert ends(cases["error"]) == {"fail": (False, "RuntimeError")}
    assert finish(cases["error"], "fail")["outcome"] == {"llm_calls": 1, "tool_calls": 0}


def test_an_agent_without_a_crew_is_a_task(cases: dict[str, Any]) -> None:
    check_pairs(cases["alone"], tasks=2)
    end = finish(cases["alone"], "task")
    assert (end["agent_id"], end["outcome"]) == ("alone", TWO_CALLS)


def test_what_a_colleague_does_is_the_colleagues(cases: dict[str, Any]) -> None:
    check_pairs(cases["delegation"], tasks=3)
    lead, colleague = (finish(cases["delegation"], name) for name in ("lead it", "delegated"))
    assert (lead["agent_id"], colleague["agent_id"]) == ("lead", "colleague")
    assert lead["outcome"] == TWO_CALLS
    assert colleague["outcome"]["llm_calls"] == 1


def test_a_call_that_never_ends_does_not_hold_its_task(cases: dict[str, Any]) -> None:
    assert ends(cases["call without an end"]) == {"say it": (True, None)}


def test_what_is_played_again_is_not_counted_again(cases: dict[str, Any]) -> None:
    check_pairs(cases["played and replayed"], tasks=2)


def test_nothing_runs_on_the_crews_own_thread(cases: dict[str, Any]) -> None:
    assert "MainThread" not in cases["threads of crew"]


def test_no_run_takes_the_figures_of_another(cases: dict[str, Any]) -> None:
    check_pairs(cases["many"], tasks=40)
    outcomes = [
        event["outcome"]
        for event in cases["many"]
        if event["kind"] == "task_finished.v1" and event["task_type"] == "sum it"
    ]
    assert outcomes == 20 * [TWO_CALLS]


def test_an_error_of_ours_does_not_reach_the_crew(cases: dict[str, Any]) -> None:
    assert cases["answer"] is True
