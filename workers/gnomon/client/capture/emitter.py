"""Events made elsewhere, on their way into the buffer: checked and counted, without waiting."""

from collections.abc import Mapping
from typing import Final, Unpack

import msgspec

from gnomon import codec
from gnomon.client.capture.deferred import Values, copied_event_record, event_record
from gnomon.client.capture.leniency import EventKeyword, take_argument
from gnomon.client.capture.sizes import (
    LARGEST_RECORD,
    SURELY_SMALL,
    size_of_cancel,
    size_of_end,
    size_of_start,
)
from gnomon.client.capture.validation import flat
from gnomon.client.delivery.admission import DeferredRecord
from gnomon.client.delivery.buffer import Buffer
from gnomon.client.records import Record
from gnomon.events import TaskCancelled, TaskEvent, TaskFinished, TaskStarted
from gnomon.topics import MAX_EVENT_BYTES

_KINDS: Final = (TaskStarted, TaskFinished, TaskCancelled)
_NOT_FLAT: Final = "context and outcome must be flat: strings, finite numbers, bools"
_SURELY_LARGE: Final = 8 * MAX_EVENT_BYTES
"""Mappings of this size, as ``flat`` estimates it, are too large: an item takes at least an eighth."""


class Emitter:
    """Takes events into a buffer if they are valid.

    Args:
        buffer: Where the events go.

    Attributes:
        buffer: The same buffer.
    """

    def __init__(self, buffer: Buffer) -> None:
        self.buffer = buffer
        buffer.encode_event = event_record
        self._lengths: dict[str, int] = {}

    def refuse(self, reason: str) -> None:
        """Count something invalid."""
        raise NotImplementedError

    def emit(  # noqa: PLR0911  as few steps as possible
        self, event: TaskEvent | None = None, /, **unknown: Unpack[EventKeyword]
    ) -> bool:
        """Take ``event`` in if it is valid and there is room; otherwise count the reason."""
        if unknown:
            return self._emit_named(event, unknown)
        try:
            # As few calls as possible: each costs the agent a twentieth of the whole.
            if type(event) is TaskFinished:
                size = size_of_end(event, self._lengths)
                if size > 0:
                    if event.context or event.outcome:
                        return self._emit_with_mappings(event, size)
                    # ``offer_later`` in place, so here too no call comes in between.
                    buffer = self.buffer
                    room, space = buffer.room, buffer.space - size
                    if room <= 0 or space < 0:
                        return buffer.refuse(start=False)
                    buffer.room, buffer.space = room - 1, space
                    buffer.queue.append((size, event))
                    if buffer.idle:
                        buffer.wake()
                    return True
            elif type(event) is TaskStarted:
                size = size_of_start(event)
                if size > 0:
                    return (
                        self._emit_with_mappings(event, size)
                        if event.context
                        else self.buffer.offer_start((size, event))
                    )
            return self._emit_other(event)
        except Exception as error:  # the agent's edge: nothing may reach it
            self.refuse(_reason(error))
            return False

    def _emit_named(self, event: TaskEvent | None, unknown: Mapping[str, object]) -> bool:
        """Do the same as ``emit`` where keywords were given, of which one may be ``event``."""
        event = take_argument(event, None, "event", unknown)
        if unknown:
            self.refuse("unknown argument")
        return self.emit(event)

    def _emit_other(self, event: TaskEvent | None) -> bool:
        """Take in a cancellation, or an event that needs a closer check."""
        if type(event) is TaskCancelled and (size := size_of_cancel(event)) > 0:
            return self.buffer.offer_later((size, event))
        return self._emit_unchecked(event)

    def _emit_with_mappings(self, event: TaskStarted | TaskFinished, size: int) -> bool:
        """Take in an event that is valid except for its mappings, which are checked and copied."""
        start = type(event) is TaskStarted
        if not self.buffer.has_room(start=start):
            return False
        context, more, refused = flat(event.context)
        outcome: Values = {}
        if isinstance(event, TaskFinished):
            outcome, outcome_size, outcome_refused = flat(event.outcome)
            more, refused = more + outcome_size, refused + outcome_refused
        if refused:
            self.refuse(_NOT_FLAT)
            return False
        copy = (size + more, copied_event_record, event, context, outcome)
        if size + more > SURELY_SMALL:
            return self.offer_large(copy, start=start)
        return self.buffer.offer_start(copy) if start else self.buffer.offer_later(copy)

    def _emit_unchecked(self, event: TaskEvent | None) -> bool:
        """Take in an event of which nothing is known: encode it, and decode it as a reader does."""
        if event is None or type(event) not in _KINDS:
            self.refuse("it is no task event")
            return False
        buffer = self.buffer
        if not buffer.has_room(start=type(event) is TaskStarted):
            return False
        checked = [flat(mapping) for mapping in _mappings(event)]
        if any(refused for _, _, refused in checked):
            self.refuse(_NOT_FLAT)
            return False
        texts = [v for v in msgspec.structs.astuple(event) if isinstance(v, str | bytes)]
        if sum(map(len, texts)) > MAX_EVENT_BYTES or sum(n for _, n, _ in checked) > _SURELY_LARGE:
            buffer.oversize += 1
            return False
        value = codec.encode(event)
        if len(value) > LARGEST_RECORD:
            buffer.oversize += 1
            return False
        if codec.decode_task_event(value) != event:
            raise ValueError  # a reader would get another value for one of the fields
        return buffer.offer(Record(event.agent_id.encode(), value))

    def offer_large(self, *events: DeferredRecord, start: bool) -> bool:
        """Take in the first of ``events`` that is small enough to be sent; encode the others."""
        buffer = self.buffer
        if not buffer.has_room(start=start):
            return False
        for event in events:
            if event[0] <= _SURELY_LARGE:
                record = event[1](event)
                if len(record.value) <= LARGEST_RECORD:
                    return buffer.offer(record)
        buffer.oversize += 1
        return False


def _mappings(event: TaskEvent) -> tuple[object, ...]:
    if isinstance(event, TaskCancelled):
        return ()
    return (event.context, event.outcome) if isinstance(event, TaskFinished) else (event.context,)


def _reason(error: Exception) -> str:
    """Return what is wrong with an event without repeating its values."""
    if isinstance(error, msgspec.ValidationError):
        return codec.refusal(b"", error).detail
    return type(error).__name__
