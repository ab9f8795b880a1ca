"""Property tests: events of any span are accepted by every reader."""

from hypothesis import given
from hypothesis import strategies as st

from gnomon import codec
from gnomon.errors import EventError
from gnomon.events import TaskEvent, TaskFinished, TaskStarted
from gnomon.otel import Span, finished, started, to_events

TRACE, SPAN = "5b8efff798038103d269b633813fc60c", "eee19b7ec3c1b174"
AT_NS = 1_760_000_000_123_456_789
anything = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters())
    | st.just("\ud800 lone")
    | st.just("é" * 5000)
    | st.lists(st.text(max_size=3), max_size=2)
)
hexadecimal = st.text("0123456789abcdef", min_size=16, max_size=32)
spans = st.builds(
    Span,
    trace_id=st.just(TRACE) | hexadecimal,
    span_id=st.just(SPAN) | hexadecimal,
    parent_span_id=st.just("") | hexadecimal,
    start_ns=st.just(AT_NS) | st.integers(-5, 2**64 + 5),
    end_ns=st.just(AT_NS) | st.integers(-5, 2**64 + 5),
    attributes=st.fixed_dictionaries(
        {"gen_ai.operation.name": st.sampled_from(["invoke_agent", "execute_tool", "chat"])},
        optional=dict.fromkeys(
            (
                "gen_ai.agent.name",
                "gen_ai.agent.id",
                "gen_ai.agent.version",
                "gen_ai.tool.name",
                "gen_ai.provider.name",
                "gen_ai.system",
                "gen_ai.request.model",
                "gen_ai.usage.input_tokens",
                "gen_ai.usage.completion_tokens",
                "gen_ai.conversation.id",
                "error.type",
            ),
            anything,
        ),
    ),
    failed=st.booleans(),
    service=st.text(max_size=300),
)


@given(spans)
def test_whatever_comes_of_a_span_every_reader_takes(span: Span) -> None:
    """A refused span gives an ``EventError``; an event is unchanged by the decoder of the contract."""
    try:
        events = [event for event in (started(span), finished(span)) if event is not None]
    except EventError:
        return
    for event in events:
        encoded = codec.encode(event)
        assert codec.decode_task_event(encoded) == event
        assert len(encoded) < 16_384


def time_ms(event: TaskEvent) -> int:
    assert isinstance(event, TaskStarted | TaskFinished)
    return event.started_at_ms if isinstance(event, TaskStarted) else event.finished_at_ms


@given(st.lists(spans, max_size=12, unique_by=lambda span: (span.trace_id, span.span_id)))
def test_a_batch_is_in_the_order_of_time_each_start_before_its_end(batch: list[Span]) -> None:
    events = to_events(batch).events
    times = [time_ms(event) for event in events]
    assert times == sorted(times)
    running: set[str] = set()
    for event in events:
        if isinstance(event, TaskStarted):
            running.add(event.task_id)
        else:
            running.remove(event.task_id)
    assert not running
