"""The span processor and the exporter under OpenTelemetry's own SDK."""

from collections.abc import Callable, Iterable, Iterator

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExportResult
from opentelemetry.trace import Status, StatusCode
from tests.support.genai import SECOND_NS, Recorder, as_json, as_protobuf

from gnomon.events import TaskCancelled, TaskEvent, TaskFinished, TaskStarted
from gnomon.integrations.opentelemetry import GnomonSpanExporter, GnomonSpanProcessor
from gnomon.otel import decode_json, to_events
from gnomon.otel.otlp_proto import decode_protobuf

START_NS = 1_760_000_000_000_000_000
AGENT = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "router"}


class Kept:
    """Keeps events; ``flush`` says that ``undelivered`` did not arrive."""

    def __init__(self, *, room: int = 1_000_000, undelivered: int = 0) -> None:
        self.events: list[TaskEvent] = []
        self.waited_s: list[float] = []
        self._room, self._undelivered = room, undelivered

    def emit(self, event: TaskEvent) -> bool:
        if len(self.events) >= self._room:
            return False
        self.events.append(event)
        return True

    def flush(self, timeout_s: float) -> int:
        self.waited_s.append(timeout_s)
        return self._undelivered


@pytest.fixture
def kept() -> Kept:
    return Kept()


@pytest.fixture
def recorder(kept: Kept) -> Iterator[Recorder]:
    recorder = Recorder(service="desk")
    recorder.provider.add_span_processor(GnomonSpanProcessor(kept))
    yield recorder
    recorder.provider.shutdown()


def kinds(events: list[TaskEvent]) -> list[str]:
    return [type(event).__name__ for event in events]


def test_a_task_begins_as_its_span_begins(recorder: Recorder, kept: Kept) -> None:
    span = recorder.tracer.start_span("invoke_agent router", attributes=AGENT, start_time=START_NS)
    (start,) = kept.events
    ids = span.get_span_context()
    assert start == TaskStarted(
        agent_id="router",
        task_id=f"{ids.trace_id:032x}-{ids.span_id:016x}",
        task_type="invoke_agent",
        started_at_ms=1_760_000_000_000,
    )
    span.set_attribute("gen_ai.usage.input_tokens", 9)
    span.end(START_NS + 2 * SECOND_NS)
    assert kept.events[1:] == [
        TaskFinished(
            agent_id="router",
            task_id=start.task_id,
            task_type="invoke_agent",
            started_at_ms=1_760_000_000_000,
            finished_at_ms=1_760_000_002_000,
            duration_s=2.0,
            succeeded=True,
            outcome={"otel_mapping": 2, "input_tokens": 9},
        )
    ]


def test_a_span_that_raises_is_a_task_that_failed(recorder: Recorder, kept: Kept) -> None:
    with (
        pytest.raises(LookupError, match="secret"),
        recorder.tracer.start_as_current_span("x", attributes=AGENT),
    ):
        raise LookupError("secret")
    end = kept.events[-1]
    assert isinstance(end, TaskFinished)
    assert not end.succeeded
    assert "secret" not in repr(kept.events)


@pytest.mark.parametrize(
    "again",
    [
        lambda spans: decode_protobuf(as_protobuf(spans)),
        lambda spans: decode_json(as_json(spans)),
    ],
    ids=["protobuf", "json"],
)
def test_in_process_and_over_otlp_a_span_is_the_same_task(
    recorder: Recorder, kept: Kept, again: Callable[..., list[object]]
) -> None:
    """So that a repeat, or both ways at once, is dropped by id."""
    with (
        recorder.tracer.start_as_current_span("a", attributes=AGENT),
        recorder.tracer.start_as_current_span(
            "b", attributes={"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "search"}
        ) as tool,
    ):
        tool.set_attribute("error.type", "timeout")
        tool.set_status(Status(StatusCode.ERROR, "secret"))
    over_otlp = to_events(again(recorder.ended())).events  # type: ignore[arg-type]
    by_id = sorted(over_otlp, key=lambda event: (event.task_id, type(event).__name__))
    assert by_id == sorted(kept.events, key=lambda event: (event.task_id, type(event).__name__))
    assert len(by_id) == 4


def test_an_operation_named_late_gives_start_and_end_together(
    recorder: Recorder, kept: Kept
) -> None:
    span = recorder.tracer.start_span("x")
    span.set_attributes(AGENT)
    assert kept.events == []
    span.end()
    assert kinds(kept.events) == ["TaskStarted", "TaskFinished"]
    assert kept.events[0].agent_id == "router"


def test_an_agent_renamed_on_its_way_ends_under_its_last_name(
    recorder: Recorder, kept: Kept
) -> None:
    span = recorder.tracer.start_span("x", attributes=AGENT)
    span.set_attribute("gen_ai.agent.name", "renamed")
    span.end()
    assert [(type(event).__name__, event.agent_id) for event in kept.events] == [
        ("TaskStarted", "router"),
        ("TaskCancelled", "router"),
        ("TaskStarted", "renamed"),
        ("TaskFinished", "renamed"),
    ]


def test_attributes_that_come_late_make_the_same_tasks_in_every_way(
    recorder: Recorder, kept: Kept
) -> None:
    """The processor, the exporter, and what the gateway reads of OTLP agree on agents and types."""
    late = [
        ({"gen_ai.operation.name": "invoke_agent"}, {"gen_ai.agent.name": "refund-agent"}),
        ({"gen_ai.operation.name": "execute_tool"}, {"gen_ai.tool.name": "lookup"}),
        ({}, {**AGENT}),
        ({"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "x"}, AGENT_NAME),
        ({"gen_ai.operation.name": "invoke_agent"}, {}),
        ({"openinference.span.kind": "AGENT"}, {"agent.name": "phoenix"}),
        (AGENT, {"gen_ai.agent.name": "renamed"}),
        ({"gen_ai.operation.name": "execute_tool", **AGENT_NAME}, {"gen_ai.tool.name": "lookup"}),
        # These turn out to be no tasks: a step, and a model call.
        ({"openinference.span.kind": "AGENT", **AGENT_NAME}, {"openinference.span.kind": "CHAIN"}),
        (AGENT, {"gen_ai.operation.name": "chat"}),
    ]
    for first, then in late:
        span = recorder.tracer.start_span("x", attributes=first)
        for name, value in then.items():
            span.set_attribute(name, value)
        span.end()

    exported = Kept()
    GnomonSpanExporter(exported).export(recorder.ended())
    given_up = {
        (event.agent_id, event.task_id) for event in kept.events if isinstance(event, TaskCancelled)
    }
    by_processor = [e for e in kept.events if (e.agent_id, e.task_id) not in given_up]

    assert tasks_of(by_processor) == tasks_of(exported.events)
    for decode, encode in ((decode_json, as_json), (decode_protobuf, as_protobuf)):
        assert tasks_of(by_processor) == tasks_of(
            to_events(decode(encode(recorder.ended()))).events
        )
    assert [agent for agent, *_ in tasks_of(by_processor)] == [
        *("refund-agent", "desk", "router", "late", "desk", "phoenix", "renamed", "late")
    ]
    assert len(given_up) == 4


AGENT_NAME = {"gen_ai.agent.name": "late"}


def tasks_of(events: Iterable[TaskEvent]) -> list[tuple[str, str, str, float]]:
    """Agent, task, type and duration of each finished task, whose start must be there too."""
    events = list(events)
    begun = {(e.agent_id, e.task_id, e.task_type) for e in events if isinstance(e, TaskStarted)}
    ended = [e for e in events if isinstance(e, TaskFinished)]
    assert {(e.agent_id, e.task_id, e.task_type) for e in ended} == begun
    return [(e.agent_id, e.task_id, e.task_type, e.duration_s) for e in ended]


@pytest.mark.parametrize("attributes", [{}, {"gen_ai.operation.name": "chat"}, {"http.route": "/"}])
def test_other_spans_are_nothing(
    recorder: Recorder, kept: Kept, attributes: dict[str, str]
) -> None:
    recorder.tracer.start_span("x", attributes=attributes).end()
    assert kept.events == []


def test_a_client_that_raises_does_not_reach_the_agent() -> None:
    class Broken(Kept):
        def emit(self, event: TaskEvent) -> bool:
            raise RuntimeError("broken")

    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(GnomonSpanProcessor(Broken()))
    with provider.get_tracer("tests").start_as_current_span("x", attributes=AGENT) as span:
        pass
    assert not span.is_recording()


def test_spans_that_never_end_are_forgotten(recorder: Recorder, kept: Kept) -> None:
    """The oldest first; should it end all the same, its end is told with its start again."""
    first = recorder.tracer.start_span("x", attributes=AGENT)
    second, *_ = [recorder.tracer.start_span("x", attributes=AGENT) for _ in range(10_000)]
    kept.events.clear()
    second.end()
    assert kinds(kept.events) == ["TaskFinished"]
    first.end()
    assert kinds(kept.events[1:]) == ["TaskStarted", "TaskFinished"]


@pytest.mark.parametrize(("undelivered", "all_arrived"), [(0, True), (3, False)])
def test_flush_waits_for_what_was_accepted(undelivered: int, all_arrived: bool) -> None:  # noqa: FBT001  a column
    kept = Kept(undelivered=undelivered)
    assert GnomonSpanProcessor(kept).force_flush(500) is all_arrived
    assert GnomonSpanExporter(kept).force_flush(500) is all_arrived
    assert kept.waited_s == [0.5, 0.5]


def test_the_exporter_tells_start_and_end_of_what_ended(kept: Kept) -> None:
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(GnomonSpanExporter(kept)))
    tracer = provider.get_tracer("tests")
    with tracer.start_as_current_span("a", attributes=AGENT), tracer.start_as_current_span("chat"):
        pass
    provider.shutdown()
    assert kinds(kept.events) == ["TaskStarted", "TaskFinished"]


@pytest.mark.parametrize(
    ("room", "result"), [(2, SpanExportResult.SUCCESS), (1, SpanExportResult.FAILURE)]
)
def test_the_exporter_says_when_there_is_no_room(room: int, result: SpanExportResult) -> None:
    recorder = Recorder()
    recorder.tracer.start_span("a", attributes=AGENT).end()
    assert GnomonSpanExporter(Kept(room=room)).export(recorder.ended()) is result
