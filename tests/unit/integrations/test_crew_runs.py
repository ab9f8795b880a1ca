"""Whatever the order in which a framework's threads hand over events, runs come out whole."""

from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from gnomon.events import TaskEvent, TaskFinished, TaskStarted
from gnomon.integrations.crew_runs import CrewRunTracker
from gnomon.integrations.recording import Recorder

SCOPE = "task:7"
Step = Callable[[CrewRunTracker], None]


class Kept:
    def __init__(self) -> None:
        self.events: list[TaskEvent] = []

    def emit(self, event: TaskEvent) -> bool:
        self.events.append(event)
        return True


def begin(ledger: CrewRunTracker) -> None:
    ledger.begin("run", agent_id="a", task_type="sum", at_ms=1_000.0, context={"tools": 1})


def begin_tool(ledger: CrewRunTracker) -> None:
    ledger.begin_tool("tool", scope=SCOPE, agent_id="a", tool="add", at_ms=1_300.25)


def end_tool(ledger: CrewRunTracker) -> None:
    ledger.end_tool("tool", scope=SCOPE, at_ms=1_400.5, error_type="ValueError")


def begin_call(ledger: CrewRunTracker) -> None:
    ledger.begin_call("call", scope=SCOPE, at_ms=1_100.0)


def end_call(ledger: CrewRunTracker) -> None:
    ledger.end_call("call", scope=SCOPE, at_ms=1_200.0, input_tokens=10, output_tokens=5)


def end(ledger: CrewRunTracker) -> None:
    ledger.end("run", scope=SCOPE, at_ms=1_500.0)


STEPS: list[Step] = [begin, begin_call, end_call, begin_tool, end_tool, end]


def played(steps: list[Step], *, settled: bool) -> list[TaskEvent]:
    kept = Kept()
    ledger = CrewRunTracker(Recorder(kept, framework="crewai"))
    for step in steps:
        step(ledger)
    if settled:
        ledger.settle()
    return kept.events


def of(events: list[TaskEvent], task_id: str) -> tuple[TaskStarted, TaskFinished]:
    """Start and end of a task: once each, in this order."""
    [start, finish] = [event for event in events if event.task_id == task_id]
    assert isinstance(start, TaskStarted)
    assert isinstance(finish, TaskFinished)
    return start, finish


@given(st.permutations(STEPS))
def test_in_any_order_each_task_starts_once_and_then_ends_once_at_its_own_times(
    steps: list[Step],
) -> None:
    events = played(steps, settled=True)
    start, finish = of(events, "run")
    assert (start.started_at_ms, finish.finished_at_ms, finish.duration_s) == (1000, 1500, 0.5)
    assert (finish.succeeded, finish.context) == (True, {"framework": "crewai", "tools": 1})
    start, finish = of(events, "tool")
    assert (start.started_at_ms, finish.finished_at_ms) == (1300, 1400)
    assert (finish.duration_s, finish.succeeded) == (0.10025, False)
    assert finish.error_type == "ValueError"


@given(st.permutations(STEPS))
def test_an_end_waits_for_the_calls_that_have_begun(steps: list[Step]) -> None:
    if max(steps.index(begin_call), steps.index(begin_tool)) > steps.index(end):
        steps.append(steps.pop(steps.index(end)))
    _, finish = of(played(steps, settled=False), "run")
    assert finish.outcome == {
        "llm_calls": 1,
        "tool_calls": 1,
        "input_tokens": 10,
        "output_tokens": 5,
    }


def test_an_end_does_not_wait_for_ever() -> None:
    def another_run_later(ledger: CrewRunTracker) -> None:
        ledger.begin("next", agent_id="b", task_type="sum", at_ms=2_501.0, context={})

    held = played([begin, begin_call, end], settled=False)
    assert [type(event) for event in held] == [TaskStarted]
    events = played([begin, begin_call, end, another_run_later], settled=False)
    _, finish = of(events, "run")
    assert finish.finished_at_ms == 1500


def test_the_next_run_of_the_same_task_counts_anew() -> None:
    def begin_again(ledger: CrewRunTracker) -> None:
        ledger.begin("again", agent_id="a", task_type="sum", at_ms=1_600.0, context={})

    def end_again(ledger: CrewRunTracker) -> None:
        ledger.end("again", scope=SCOPE, at_ms=1_700.0)

    _, finish = of(played([*STEPS, begin_again, end_again], settled=False), "again")
    assert finish.outcome == {"llm_calls": 0, "tool_calls": 0}


def test_ends_without_a_start_are_bounded() -> None:
    kept = Kept()
    ledger = CrewRunTracker(Recorder(kept, framework="crewai"))
    for number in range(1_001):
        ledger.end(f"run-{number}", scope=f"task:{number}", at_ms=1.0)
    for number in (0, 1, 1_000):
        ledger.begin(f"run-{number}", agent_id="a", task_type="t", at_ms=1.0, context={})
    finished = [event.task_id for event in kept.events if isinstance(event, TaskFinished)]
    assert finished == ["run-1", "run-1000"]
