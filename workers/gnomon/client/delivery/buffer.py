"""Where events wait for the broker: bounded by count and bytes, counted, free of locks.

The offers are on the agent's path and may be called by many threads, from a signal handler or
from ``__del__``; ``take``, ``settle`` and ``put_back`` belong to the one thread that delivers.
A check and the counting that follows it have no call between them, so CPython with its
interpreter lock runs them as one step: that is what makes the bounds and the figures exact. What
is left of the bounds is one figure each, which both sides change, so that an offer reads little:
whatever is added to one is reckoned before, since ``+=`` reads first.

An event may come in unencoded, as a tuple that nobody changes any more: ``take`` encodes it. The
agent's call then costs half as much, and an event that is refused was never encoded.
"""

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from msgspec import Struct

from gnomon.client.stats import Stats

SHED_STARTS_AT = 0.8
"""Fullness from which starts are refused: an end is complete without its start."""


class Record(NamedTuple):
    """One encoded event and the key that decides its partition."""

    key: bytes
    value: bytes


Later = tuple[int, Callable[[Any], Record], *tuple[Any, ...]]
"""An event not yet encoded: its size in bytes as it is reckoned, what makes the record of all this
tuple, and what that needs."""
Plain = tuple[int, Struct]
"""The same of an event that is all there is to encode. The garbage collector need not follow it."""


class Buffer:
    """A bounded queue with one reader. Drops the newest when it is full.

    Args:
        max_events: Most events that wait or are on their way.
        max_bytes: Most bytes of keys and values of those.

    Attributes:
        wake: Called when an event has come in while ``idle``.
        make: Makes the records of ``Plain`` events.
        queue: What waits, the oldest first.
        room: How many more events may come in; ``space``: how many bytes of them.
        idle: Whether the reader has to be woken.
        full: Events refused for want of room; ``shed``: starts refused from four fifths on.
        closed: Events refused after ``shut``.
        oversize: Events refused as larger than a record may be.
        invalid: What else was refused.
        replayed: Events of earlier processes that were delivered.
        spoilt: Accepted events of which no record could be made; they count as failed.
    """

    __slots__ = (
        "_delivered",
        "_failed",
        "_in_flight",
        "_kept_bytes",
        "_kept_events",
        "_most_bytes",
        "_most_events",
        "_shut",
        "_spooled",
        "closed",
        "full",
        "idle",
        "invalid",
        "make",
        "max_bytes",
        "max_events",
        "oversize",
        "queue",
        "replayed",
        "room",
        "shed",
        "space",
        "spoilt",
        "wake",
    )

    def __init__(self, *, max_events: int, max_bytes: int) -> None:
        self.max_events, self.max_bytes = max_events, max_bytes
        self.wake: Callable[[], object] = _nobody
        self.make: Callable[[Any], Record] = _made
        self._shut = False
        self.clear()

    def clear(self) -> None:
        """Begin anew, as in a forked child: what waits is the parent's to deliver."""
        self.queue: deque[Record | Later | Plain] = deque()
        self._in_flight = self._delivered = self._failed = self._spooled = 0
        self.full = self.oversize = self.invalid = self.closed = self.shed = self.replayed = 0
        self.spoilt = 0
        self.idle = True
        self.room = self._most_events = self.max_events
        self.space = self._most_bytes = self.max_bytes
        # What of both is kept from starts.
        self._kept_events = self.max_events - int(self.max_events * SHED_STARTS_AT)
        self._kept_bytes = self.max_bytes - int(self.max_bytes * SHED_STARTS_AT)
        if self._shut:
            self.shut()

    def shut(self) -> None:
        """Take nothing in any more; what is offered counts as ``closed``."""
        self._shut = True
        self.room -= self._most_events + 1
        self.space -= self._most_bytes + 1
        self._most_events = self._most_bytes = -1

    def has_room(self, *, start: bool) -> bool:
        """Whether an event may come in, asked before it is looked at; counts a refusal."""
        events, size = (self._kept_events, self._kept_bytes) if start else (0, 0)
        return (self.room > events and self.space > size) or self.refuse(start=start)

    def offer(self, record: Record) -> bool:
        """Take ``record`` in, or count it as one too many."""
        return self.offer_later((len(record.key) + len(record.value), _made, record))

    def offer_later(self, event: Later | Plain) -> bool:
        """Take in an event that ``take`` will encode, or count it as one too many."""
        room, space = self.room, self.space - event[0]
        if room <= 0 or space < 0:
            return self.refuse(start=False)
        self.room, self.space = room - 1, space
        self.queue.append(event)
        if self.idle:
            self.wake()
        return True

    def offer_start(self, event: Later | Plain) -> bool:
        """``offer_later`` for a start, which is refused from four fifths on."""
        # The same once more: calling it would cost the agent a tenth of a microsecond.
        room, space = self.room, self.space - event[0]
        if room <= self._kept_events or space < self._kept_bytes:
            return self.refuse(start=True)
        self.room, self.space = room - 1, space
        self.queue.append(event)
        if self.idle:
            self.wake()
        return True

    def refuse(self, *, start: bool) -> bool:
        """Count an event that does not come in."""
        if self._shut:
            self.closed += 1
        elif start:
            self.shed += 1
        else:
            self.full += 1
        return False

    def take(self, *, max_events: int, max_bytes: int) -> list[Record]:
        """The oldest events, in order, at least one if there is any; they are now in flight.

        It encodes them, 1 to 3 us each: few at a time leave the interpreter to the agent. One that
        cannot be encoded has failed: those behind it must not wait for it.
        """
        taken: list[Record] = []
        queue, size = self.queue, 0
        while queue and len(taken) < max_events:
            event = queue[0]
            if isinstance(event, Record):
                record = event
            else:
                try:
                    record = queue[0] = self._encoded(event)
                except Exception:  # the agent's edge: it has changed what it gave
                    self._spoil(event[0])
                    continue
            size += len(record.key) + len(record.value)
            if taken and size > max_bytes:
                break
            taken.append(record)
            queue.popleft()
        self._in_flight += len(taken)
        return taken

    def _encoded(self, event: Later | Plain) -> Record:
        make = self.make if isinstance(event[1], Struct) else event[1]
        record = make(event)
        # From now on it counts with the size it has.
        less = event[0] - len(record.key) - len(record.value)
        self.space += less
        return record

    def _spoil(self, size: int) -> None:
        """Book the next event, reckoned as ``size`` bytes, as failed."""
        self.queue.popleft()
        self.space += size
        self.room += 1
        self._failed += 1
        self.spoilt += 1

    def grow(self, size: int) -> None:
        """Events in flight are ``size`` bytes longer now than they were when taken."""
        self.space -= size

    def settle(self, records: Sequence[Record], *, delivered: bool) -> None:
        """Book events in flight as delivered, or as refused for good."""
        count, size = len(records), _size(records)
        if delivered:
            self._delivered += count
        else:
            self._failed += count
        self.room += count
        self._in_flight -= count
        self.space += size

    def spool(self, records: Sequence[Record]) -> None:
        """Book events in flight as written to the spool."""
        count, size = len(records), _size(records)
        self._spooled += count
        self.room += count
        self._in_flight -= count
        self.space += size

    def settle_spooled(self, count: int, *, delivered: bool) -> None:
        """Book ``count`` events of this process, spooled before, as delivered or refused."""
        self._spooled -= count
        if delivered:
            self._delivered += count
        else:
            self._failed += count

    def put_back(self, records: Sequence[Record]) -> None:
        """Events in flight that did not arrive are the next to go, in their order."""
        self.queue.extendleft(reversed(records))
        self._in_flight -= len(records)

    def __bool__(self) -> bool:
        """Whether events wait to be taken."""
        return bool(self.queue)

    @property
    def pending(self) -> int:
        """Accepted and not settled."""
        return self._most_events - self.room

    @property
    def failed(self) -> int:
        """Refused by the broker for good, or spoilt."""
        return self._failed

    def stats(self) -> Stats:
        """The figures of one instant."""
        pending, in_flight, size = (
            self._most_events - self.room,
            self._in_flight,
            self._most_bytes - self.space,
        )
        delivered, failed, spooled = self._delivered, self._failed, self._spooled
        return Stats(
            accepted=pending + delivered + failed + spooled,
            delivered=delivered,
            failed=failed,
            spooled=spooled,
            replayed=self.replayed,
            buffered=pending - in_flight,
            in_flight=in_flight,
            buffered_bytes=size,
            dropped_full=self.full,
            dropped_oversize=self.oversize,
            dropped_invalid=self.invalid,
            dropped_closed=self.closed,
            shed_starts=self.shed,
        )


def _made(event: tuple[int, object, Record]) -> Record:
    """A record that has been made in the agent's call."""
    return event[2]


def _size(records: Sequence[Record]) -> int:
    return sum(len(record.key) + len(record.value) for record in records)


def _nobody() -> None:
    """Nobody is to be woken."""
