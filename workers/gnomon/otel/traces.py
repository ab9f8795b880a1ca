"""A batch of spans as task events, in the order in which things happened."""

from collections.abc import Iterable

import msgspec

from gnomon.codec import event_time_ms
from gnomon.errors import EventError
from gnomon.events import TaskEvent
from gnomon.otel.mapping import finished, started
from gnomon.otel.span import Span


class TraceEvents(msgspec.Struct, frozen=True, kw_only=True):
    """What a batch of spans leads to.

    Attributes:
        events: By time; a start before the end of the same task.
        refused: Why a span that should be a task is none, one entry a span.
    """

    events: list[TaskEvent] = []
    refused: list[EventError] = []


def to_events(spans: Iterable[Span | EventError]) -> TraceEvents:
    """Start and end of every task among ended ``spans``; the rest is left out.

    Spans come in the order in which they ended, inner ones first. An agent's features as of a
    start are of what ended before it, so the events are put in the order of their own times.
    """
    events: list[TaskEvent] = []
    refused: list[EventError] = []
    for span in spans:
        if isinstance(span, EventError):
            refused.append(span)
            continue
        try:
            start = started(span)
            end = finished(span, start)
        except EventError as error:
            refused.append(error)
            continue
        if start is not None and end is not None:
            events += (start, end)
    return TraceEvents(events=sorted(events, key=event_time_ms), refused=refused)
