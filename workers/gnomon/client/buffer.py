"""Where events wait for the broker: bounded by count and bytes, counted, free of locks.

The offers are on the agent's path and may be called by many threads, from a signal handler or
from ``__del__``; ``take``, ``settle`` and ``put_back`` belong to the one thread that delivers.
A check and the counting that follows it have no call between them, so CPython with its
interpreter lock runs them as one step: that is what makes the bounds and the figures exact.

An event may come in unencoded, as a tuple that nobody changes any more: ``take`` encodes it. The
agent's call then costs half as much, and an event that is refused was never encoded.
"""

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

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


class Buffer:
    """A bounded queue with one reader. Drops the newest when it is full.

    Args:
        max_events: Most events that wait or are on their way.
        max_bytes: Most bytes of keys and values of those.

    Attributes:
        wake: Called when an event has come in while ``idle``.
        idle: Whether the reader has to be woken.
        full: Events refused for want of room; ``shed``: starts refused from four fifths on.
        closed: Events refused after ``shut``.
        oversize: Events refused as larger than a record may be.
        invalid: What else was refused.
        replayed: Events of earlier processes that were delivered.
        spoilt: Accepted events of which no record could be made; they count as failed.
    """

    __slots__ = (
        "_accepted",
        "_bytes_in",
        "_bytes_out",
        "_delivered",
        "_failed",
        "_in_flight",
        "_most_bytes",
        "_most_events",
        "_queue",
        "_settled",
        "_shed_bytes",
        "_shed_events",
        "_shut",
        "_spooled",
        "closed",
        "full",
        "idle",
        "invalid",
        "max_bytes",
        "max_events",
        "oversize",
        "replayed",
        "shed",
        "spoilt",
        "wake",
    )

    def __init__(self, *, max_events: int, max_bytes: int) -> None:
        self.max_events, self.max_bytes = max_events, max_bytes
        self.wake: Callable[[], object] = _nobody
        self._shut = False
        self.clear()

    def clear(self) -> None:
        """Begin anew, as in a forked child: what waits is the parent's to deliver."""
        self._queue: deque[Record | Later] = deque()
        self._accepted = self._settled = self._in_flight = 0
        self._delivered = self._failed = self._spooled = 0
        self._bytes_in = self._bytes_out = 0
        self.full = self.oversize = self.invalid = self.closed = self.shed = self.replayed = 0
        self.spoilt = 0
        self.idle = True
        self._limit(self.max_events, self.max_bytes)
        if self._shut:
            self.shut()

    def shut(self) -> None:
        """Take nothing in any more; what is offered counts as ``closed``."""
        self._shut = True
        self._limit(-1, -1)

    def _limit(self, events: int, size: int) -> None:
        self._most_events, self._most_bytes = events, size
        self._shed_events, self._shed_bytes = (
            int(events * SHED_STARTS_AT),
            int(size * SHED_STARTS_AT),
        )

    def has_room(self, *, start: bool) -> bool:
        """Whether an event may come in, asked before it is looked at; counts a refusal."""
        pending, size = self._accepted - self._settled, self._bytes_in - self._bytes_out
        events = self._shed_events if start else self._most_events
        most = self._shed_bytes if start else self._most_bytes
        return (pending < events and size < most) or self._refuse(start=start)

    def offer(self, record: Record) -> bool:
        """Take ``record`` in, or count it as one too many."""
        return self.offer_later((len(record.key) + len(record.value), _made, record))

    def offer_later(self, event: Later) -> bool:
        """Take in an event that ``take`` will encode, or count it as one too many."""
        count, size = self._accepted, self._bytes_in + event[0]
        if count - self._settled >= self._most_events or size - self._bytes_out > self._most_bytes:
            return self._refuse(start=False)
        self._accepted, self._bytes_in = count + 1, size
        self._queue.append(event)
        if self.idle:
            self.wake()
        return True

    def offer_start(self, event: Later) -> bool:
        """``offer_later`` for a start, which is refused from four fifths on."""
        # The same once more: calling it would cost the agent a tenth of a microsecond.
        count, size = self._accepted, self._bytes_in + event[0]
        if count - self._settled >= self._shed_events or size - self._bytes_out > self._shed_bytes:
            return self._refuse(start=True)
        self._accepted, self._bytes_in = count + 1, size
        self._queue.append(event)
        if self.idle:
            self.wake()
        return True

    def _refuse(self, *, start: bool) -> bool:
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
        queue, size = self._queue, 0
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

    def _encoded(self, event: Later) -> Record:
        size, make, *_ = event
        record = make(event)
        # From now on it counts with the size it has.
        self._bytes_out += size - len(record.key) - len(record.value)
        return record

    def _spoil(self, size: int) -> None:
        """Book the next event, reckoned as ``size`` bytes, as failed."""
        self._queue.popleft()
        self._bytes_out += size
        self._settled += 1
        self._failed += 1
        self.spoilt += 1

    def grow(self, size: int) -> None:
        """Events in flight are ``size`` bytes longer now than they were when taken."""
        self._bytes_out -= size

    def settle(self, records: Sequence[Record], *, delivered: bool) -> None:
        """Book events in flight as delivered, or as refused for good."""
        count, size = len(records), _size(records)
        if delivered:
            self._delivered += count
        else:
            self._failed += count
        self._settled += count
        self._in_flight -= count
        self._bytes_out += size

    def spool(self, records: Sequence[Record]) -> None:
        """Book events in flight as written to the spool."""
        count, size = len(records), _size(records)
        self._spooled += count
        self._settled += count
        self._in_flight -= count
        self._bytes_out += size

    def settle_spooled(self, count: int, *, delivered: bool) -> None:
        """Book ``count`` events of this process, spooled before, as delivered or refused."""
        self._spooled -= count
        if delivered:
            self._delivered += count
        else:
            self._failed += count

    def put_back(self, records: Sequence[Record]) -> None:
        """Events in flight that did not arrive are the next to go, in their order."""
        self._queue.extendleft(reversed(records))
        self._in_flight -= len(records)

    def __bool__(self) -> bool:
        """Whether events wait to be taken."""
        return bool(self._queue)

    @property
    def pending(self) -> int:
        """Accepted and not settled."""
        return self._accepted - self._settled

    @property
    def failed(self) -> int:
        """Refused by the broker for good, or spoilt."""
        return self._failed

    def stats(self) -> Stats:
        """The figures of one instant."""
        accepted, settled, delivered, failed, spooled, in_flight, put, got = (
            self._accepted,
            self._settled,
            self._delivered,
            self._failed,
            self._spooled,
            self._in_flight,
            self._bytes_in,
            self._bytes_out,
        )
        return Stats(
            accepted=accepted,
            delivered=delivered,
            failed=failed,
            spooled=spooled,
            replayed=self.replayed,
            buffered=accepted - settled - in_flight,
            in_flight=in_flight,
            buffered_bytes=put - got,
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
