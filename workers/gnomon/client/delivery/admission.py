"""The agent's side of the buffer: what comes in, what is refused, and the counts of both.

The ``offer`` methods are on the agent's path and may be called by many threads, from a signal
handler or from ``__del__``, so they take no lock. A check and the counting that follows it have no
call between them: CPython with its interpreter lock runs them as one step, and that keeps the
limits and the counts exact. The remaining room is one number that both sides change; a value added
to it is computed beforehand, because ``+=`` reads the number first.

An event may come in unencoded, as a tuple that is never changed: ``Buffer.take`` encodes it.
The agent's call then costs half as much, and an event that is refused was never encoded.
"""

from collections import deque
from collections.abc import Callable
from typing import Any

from msgspec import Struct

from gnomon.client.records import Record

SHED_STARTS_AT = 0.8
"""Fullness from which starts are refused: the event of an end repeats the values of its start."""

DeferredRecord = tuple[int, Callable[[Any], Record], *tuple[Any, ...]]
"""An event not yet encoded: its estimated size in bytes, the function that makes a record of the
whole tuple, and that function's data."""
DeferredEvent = tuple[int, Struct]
"""An unencoded event without anything else to encode. The garbage collector does not track it."""


class Admission:
    """Takes events in up to two limits, and refuses the newest when it is full.

    Args:
        max_events: Most events that wait or are in flight.
        max_bytes: Most bytes of their keys and values.

    Attributes:
        wake: Called when an event has come in while ``idle``.
        encode_event: Makes the record of a ``DeferredEvent``.
        queue: The waiting events, oldest first.
        room: How many more events may come in.
        space: How many more bytes of events may come in.
        idle: Whether the reader has to be woken.
        full: Events refused for want of room.
        shed: Starts refused from four fifths on.
        closed: Events refused after ``shut``.
        oversize: Events refused as larger than a record may be.
        invalid: Everything else that was refused.
    """

    __slots__ = (
        "_event_limit",
        "_reserved_bytes",
        "_reserved_events",
        "_shut",
        "_size_limit",
        "closed",
        "encode_event",
        "full",
        "idle",
        "invalid",
        "max_bytes",
        "max_events",
        "oversize",
        "queue",
        "room",
        "shed",
        "space",
        "wake",
    )

    def __init__(self, *, max_events: int, max_bytes: int) -> None:
        self.max_events, self.max_bytes = max_events, max_bytes
        self.wake: Callable[[], object] = _do_nothing
        self.encode_event: Callable[[Any], Record] = _made
        self._shut = False
        self.clear()

    def clear(self) -> None:
        """Begin anew, as in a forked child: the waiting events are the parent's to deliver."""
        self.queue: deque[Record | DeferredRecord | DeferredEvent] = deque()
        self.full = self.oversize = self.invalid = self.closed = self.shed = 0
        self.idle = True
        self.room = self._event_limit = self.max_events
        self.space = self._size_limit = self.max_bytes
        # The part of both limits that starts may not use.
        self._reserved_events = self.max_events - int(self.max_events * SHED_STARTS_AT)
        self._reserved_bytes = self.max_bytes - int(self.max_bytes * SHED_STARTS_AT)
        if self._shut:
            self.shut()

    def shut(self) -> None:
        """Take no more events in; each offer counts as ``closed``."""
        self._shut = True
        self.room -= self._event_limit + 1
        self.space -= self._size_limit + 1
        self._event_limit = self._size_limit = -1

    def has_room(self, *, start: bool) -> bool:
        """Return whether an event may come in, before it is inspected; count a refusal."""
        events, size = (self._reserved_events, self._reserved_bytes) if start else (0, 0)
        return (self.room > events and self.space > size) or self.refuse(start=start)

    def offer(self, record: Record) -> bool:
        """Take ``record`` in, or count a refusal; return which."""
        return self.offer_later((len(record.key) + len(record.value), _made, record))

    def offer_later(self, event: DeferredRecord | DeferredEvent) -> bool:
        """Take in an event that ``take`` will encode, or count a refusal; return which."""
        room, space = self.room, self.space - event[0]
        if room <= 0 or space < 0:
            return self.refuse(start=False)
        self.room, self.space = room - 1, space
        self.queue.append(event)
        if self.idle:
            self.wake()
        return True

    def offer_start(self, event: DeferredRecord | DeferredEvent) -> bool:
        """Do the same as ``offer_later`` for a start, which is refused from four fifths on."""
        # The code is repeated because a call would cost the agent a tenth of a microsecond.
        room, space = self.room, self.space - event[0]
        if room <= self._reserved_events or space < self._reserved_bytes:
            return self.refuse(start=True)
        self.room, self.space = room - 1, space
        self.queue.append(event)
        if self.idle:
            self.wake()
        return True

    def refuse(self, *, start: bool) -> bool:
        """Count an event that does not come in; return ``False``."""
        if self._shut:
            self.closed += 1
        elif start:
            self.shed += 1
        else:
            self.full += 1
        return False

    @property
    def pending(self) -> int:
        """How many events were accepted and are not settled."""
        return self._event_limit - self.room


def _made(event: tuple[int, object, Record]) -> Record:
    """Return the record that was made in the agent's call."""
    return event[2]


def _do_nothing() -> None:
    """Wake no reader."""
