"""Where events wait for the broker: bounded by count and bytes, counted, free of locks.

``offer`` is on the agent's path and may be called by many threads, from a signal handler or
from ``__del__``; ``take``, ``settle`` and ``put_back`` belong to the one thread that delivers.
A check and the counting that follows it have no call between them, so CPython with its
interpreter lock runs them as one step: that is what makes the bounds and the figures exact.
"""

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

SHED_STARTS_AT = 0.8
"""Fullness from which starts are refused: an end is complete without its start."""


class Record(NamedTuple):
    """One encoded event and the key that decides its partition."""

    key: bytes
    value: bytes


class Stats(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What became of every event given to a client, since it was made (or since the fork).

    ``accepted = delivered + failed + spooled + buffered + in_flight``, always; ``buffered_bytes``
    is of the last two. ``failed`` are events the broker refused for good; everything else it did
    not take is tried again, or ``spooled``: in a file, which a later process sends. ``replayed``
    are events of earlier processes sent from such a file. The rest was never accepted.
    """

    accepted: int = 0
    delivered: int = 0
    failed: int = 0
    spooled: int = 0
    replayed: int = 0
    buffered: int = 0
    in_flight: int = 0
    buffered_bytes: int = 0
    dropped_full: int = 0
    dropped_oversize: int = 0
    dropped_invalid: int = 0
    dropped_closed: int = 0
    shed_starts: int = 0

    @property
    def dropped(self) -> int:
        """Events that were never accepted, for whatever reason."""
        return (
            self.dropped_full
            + self.dropped_oversize
            + self.dropped_invalid
            + self.dropped_closed
            + self.shed_starts
        )


class Buffer:
    """A bounded queue with one reader. Drops the newest when it is full.

    Args:
        max_events: Most events that wait or are on their way.
        max_bytes: Most bytes of keys and values of those.
    """

    __slots__ = (
        "_accepted",
        "_bytes_in",
        "_bytes_out",
        "_delivered",
        "_failed",
        "_in_flight",
        "_queue",
        "_shed_bytes",
        "_shed_events",
        "_spooled",
        "closed",
        "full",
        "invalid",
        "max_bytes",
        "max_events",
        "oversize",
        "replayed",
        "shed",
    )

    def __init__(self, *, max_events: int, max_bytes: int) -> None:
        self.max_events, self.max_bytes = max_events, max_bytes
        self._shed_events = int(max_events * SHED_STARTS_AT)
        self._shed_bytes = int(max_bytes * SHED_STARTS_AT)
        self._queue: deque[Record] = deque()
        self._accepted = self._delivered = self._failed = self._spooled = self._in_flight = 0
        self.replayed = 0
        self._bytes_in = self._bytes_out = 0
        self.full = self.oversize = self.invalid = self.closed = self.shed = 0

    def has_room(self, *, start: bool) -> bool:
        """Whether an event may come in, asked before it is encoded; counts a refusal."""
        pending = self._accepted - self._delivered - self._failed - self._spooled
        size = self._bytes_in - self._bytes_out
        if start and (pending >= self._shed_events or size >= self._shed_bytes):
            self.shed += 1
            return False
        if pending >= self.max_events or size >= self.max_bytes:
            self.full += 1
            return False
        return True

    def offer(self, record: Record) -> bool:
        """Take ``record`` in, or count it as one too many."""
        size = len(record.key) + len(record.value)
        if (
            self._accepted - self._delivered - self._failed - self._spooled >= self.max_events
            or self._bytes_in - self._bytes_out + size > self.max_bytes
        ):
            self.full += 1
            return False
        self._accepted += 1
        self._bytes_in += size
        self._queue.append(record)
        return True

    def take(self, *, max_events: int, max_bytes: int) -> list[Record]:
        """The oldest events, in order, at least one if there is any; they are now in flight."""
        taken: list[Record] = []
        queue, size = self._queue, 0
        while queue and len(taken) < max_events:
            record = queue[0]
            size += len(record.key) + len(record.value)
            if taken and size > max_bytes:
                break
            taken.append(queue.popleft())
        self._in_flight += len(taken)
        return taken

    def grow(self, size: int) -> None:
        """Events in flight are ``size`` bytes longer now than they were when taken."""
        self._bytes_out -= size

    def settle(self, records: Sequence[Record], *, delivered: bool) -> None:
        """Book events in flight as delivered, or as refused for good."""
        count, size = len(records), sum(len(r.key) + len(r.value) for r in records)
        if delivered:
            self._delivered += count
        else:
            self._failed += count
        self._in_flight -= count
        self._bytes_out += size

    def spool(self, records: Sequence[Record]) -> None:
        """Book events in flight as written to the spool."""
        self._spooled += len(records)
        self._in_flight -= len(records)
        self._bytes_out += sum(len(r.key) + len(r.value) for r in records)

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
        return self._accepted - self._delivered - self._failed - self._spooled

    @property
    def failed(self) -> int:
        """Refused by the broker for good."""
        return self._failed

    def stats(self) -> Stats:
        """The figures of one instant."""
        accepted, delivered, failed, spooled, in_flight, put, got = (
            self._accepted,
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
            buffered=accepted - delivered - failed - spooled - in_flight,
            in_flight=in_flight,
            buffered_bytes=put - got,
            dropped_full=self.full,
            dropped_oversize=self.oversize,
            dropped_invalid=self.invalid,
            dropped_closed=self.closed,
            shed_starts=self.shed,
        )
