"""Turns a batch of spans into task events, in the order of their times."""

from collections.abc import Iterable

import msgspec

from gnomon.codec import event_time_ms
from gnomon.errors import EventError
from gnomon.events import TaskEvent
from gnomon.otel.mapping import finished, started
from gnomon.otel.span import Span


class TraceEvents(msgspec.Struct, frozen=True, kw_only=True):
    """Task events of a batch of spans.

    Attributes:
        events: Events ordered by time; a start comes before the end of the same task.
        refused: One error for each span that should be a task and is invalid.
    """

    events: list[TaskEvent] = []
    refused: list[EventError] = []


def to_events(spans: Iterable[Span | EventError]) -> TraceEvents:
    """Return start and end of every task among ended ``spans``; other spans are left out.

    Spans arrive in the order in which they ended, inner spans first. The features at a start
    depend on the tasks that ended before it, so the events are sorted by their own times.
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
