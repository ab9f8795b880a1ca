"""Runs of any framework become task events that every reader accepts."""

import logging
import sys
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, use_span
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from gnomon.codec import decode_task_event, encode
from gnomon.events import TaskCancelled, TaskEvent, TaskFinished, TaskStarted
from gnomon.integrations.guarded import guarded
from gnomon.integrations.recording import Recorder


class Kept:
    def __init__(self) -> None:
        self.events: list[TaskEvent] = []

    def emit(self, event: TaskEvent) -> bool:
        self.events.append(event)
        return True


def recorder() -> tuple[Recorder, Kept]:
    kept = Kept()
    return Recorder(kept, framework="some"), kept


# Without lone surrogates: no JSON has them, and the client counts such an event as invalid.
names = st.text(st.characters(codec="utf-8"), max_size=400)


@given(names, names, names, names)
def test_whatever_a_framework_calls_things_the_contract_holds(
    agent: str, kind: str, tool: str, error: str
) -> None:
    runs, kept = recorder()
    runs.begin("1", parent=None, agent_id=agent, task_type=kind)
    runs.begin_tool("2", parent="1", tool=tool)
    runs.end("2", error_type=error)
    runs.cancel("1", reason=error)
    for event in kept.events:
        decoded = decode_task_event(encode(event))
        assert type(decoded) is type(event)
        assert 1 <= len(decoded.agent_id) <= 256


def test_counts_belong_to_the_run_and_to_those_around_it() -> None:
    runs, kept = recorder()
    runs.begin("outer", parent=None, agent_id="outer", task_type="t")
    runs.enter("node", parent="outer")
    runs.begin("inner", parent="node", agent_id="inner", task_type="t")
    runs.call("inner", input_tokens=10, output_tokens=1)
    runs.call("node", input_tokens=100)
    runs.leave("node")
    runs.call("node", input_tokens=1_000)
    runs.end("inner")
    runs.end("outer")
    outcomes = {e.agent_id: e.outcome for e in kept.events if isinstance(e, TaskFinished)}
    figures = {"tool_calls": 0, "output_tokens": 1}
    assert outcomes["inner"] == {**figures, "llm_calls": 1, "input_tokens": 10}
    assert outcomes["outer"] == {**figures, "llm_calls": 2, "input_tokens": 110}


def test_parallel_branches_lose_no_count() -> None:
    def branch() -> None:
        for number in range(1_000):
            key = f"{threading.get_ident()}-{number}"
            runs.begin_tool(key, parent="run", tool="add")
            runs.call("run", input_tokens=1)
            runs.end(key)

    runs, kept = recorder()
    runs.begin("run", parent=None, agent_id="a", task_type="t")
    interval_s = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=branch) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval_s)
    runs.end("run")
    assert isinstance(kept.events[-1], TaskFinished)
    assert kept.events[-1].outcome == {
        "llm_calls": 4_000,
        "tool_calls": 4_000,
        "input_tokens": 4_000,
        "output_tokens": 0,
    }


def test_what_is_not_open_cannot_end() -> None:
    runs, kept = recorder()
    runs.begin("1", parent=None, agent_id="a", task_type="t")
    runs.cancel("1", reason="CancelledError")
    for key in ("1", "never"):
        runs.end(key)
        runs.cancel(key, reason="again")
        runs.leave(key)
        runs.call(key)
        runs.model(key, model="m")
    assert [type(event) for event in kept.events] == [TaskStarted, TaskCancelled]


def test_open_runs_are_bounded_and_the_oldest_is_forgotten() -> None:
    runs, _ = recorder()
    for number in range(10_001):
        runs.begin(str(number), parent=None, agent_id="a", task_type="t")
    assert runs.run("0") is None
    assert runs.run("1") is not None
    assert runs.run("10000") is not None


def test_the_variable_names_an_agent_that_has_no_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GNOMON_AGENT_ID", "router")
    runs, kept = recorder()
    runs.begin_tool("1", parent=None, tool="add")
    runs.begin("2", parent=None, agent_id="", task_type="t")
    runs.begin("3", parent=None, agent_id="own", task_type="t")
    assert [event.agent_id for event in kept.events] == ["router", "router", "own"]


def test_a_run_belongs_to_the_trace_around_it() -> None:
    runs, kept = recorder()
    around = SpanContext(0xABC, 0xDEF, is_remote=False, trace_flags=TraceFlags(1))
    headers: dict[str, str] = {}
    with use_span(NonRecordingSpan(around)):
        TraceContextTextMapPropagator().inject(headers)
        runs.begin("1", parent=None, agent_id="a", task_type="t")
    runs.end("1")
    for event in kept.events:
        assert isinstance(event, TaskStarted | TaskFinished)
        assert event.traceparent == headers["traceparent"]


def test_an_error_of_ours_is_one_log_line_and_nothing_else(
    caplog: pytest.LogCaptureFixture,
) -> None:
    @guarded
    def handler(text: str) -> None:
        raise ValueError(text)

    with caplog.at_level(logging.WARNING, logger="gnomon"):
        for _ in range(3):
            handler("SECRET")
    [record] = caplog.records
    assert "ValueError" in record.getMessage()
    assert "SECRET" not in record.getMessage()
    with pytest.raises(KeyboardInterrupt):
        guarded(_interrupt)()


def _interrupt() -> None:
    raise KeyboardInterrupt
