"""The bounded buffer between the agent's calls and the thread that delivers.

The agent's side is in ``admission``. ``take``, ``settle``, ``spool`` and ``put_back`` belong to the
one thread that delivers.
"""

from collections.abc import Callable, Sequence
from typing import Any

from msgspec import Struct

from gnomon.client.delivery.admission import Admission, DeferredEvent, DeferredRecord
from gnomon.client.records import Record
from gnomon.client.stats import Stats


class Buffer(Admission):
    """A bounded queue with one reader, and the counts of what became of its events.

    Attributes:
        replayed: Events of earlier processes that were delivered.
        encode_failures: Accepted events that could not be encoded; they count as failed.
    """

    __slots__ = ("_delivered", "_failed", "_in_flight", "_spooled", "encode_failures", "replayed")

    def clear(self) -> None:
        """Begin anew, as in a forked child: the waiting events are the parent's to deliver."""
        super().clear()
        self._in_flight = self._delivered = self._failed = self._spooled = 0
        self.replayed = self.encode_failures = 0

    def take(self, *, max_events: int, max_bytes: int) -> list[Record]:
        """Return the oldest events, in order, and count them as in flight.

        There is at least one if any event waits. Encoding takes 1 to 3 us an event: a caller that
        takes a few at a time leaves the interpreter to the agent. An event that cannot be encoded
        counts as failed, so that the events behind it do not wait for it.
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
                except Exception:  # the agent's edge: it has changed the values it gave
                    self._drop_unencodable(event[0])
                    continue
            size += len(record.key) + len(record.value)
            if taken and size > max_bytes:
                break
            taken.append(record)
            queue.popleft()
        self._in_flight += len(taken)
        return taken

    def _encoded(self, event: DeferredRecord | DeferredEvent) -> Record:
        make: Callable[[Any], Record] = (
            self.encode_event if isinstance(event[1], Struct) else event[1]
        )
        record = make(event)
        # From now on the event counts with its real size, not with the estimate.
        freed = event[0] - len(record.key) - len(record.value)
        self.space += freed
        return record

    def _drop_unencodable(self, size: int) -> None:
        """Count the oldest event, of an estimated ``size`` in bytes, as failed."""
        self.queue.popleft()
        self.space += size
        self.room += 1
        self._failed += 1
        self.encode_failures += 1

    def grow(self, size: int) -> None:
        """Count ``size`` bytes that were added to events in flight."""
        self.space -= size

    def settle(self, records: Sequence[Record], *, delivered: bool) -> None:
        """Count events in flight as delivered, or as refused for good."""
        count, size = len(records), _size(records)
        if delivered:
            self._delivered += count
        else:
            self._failed += count
        self.room += count
        self._in_flight -= count
        self.space += size

    def spool(self, records: Sequence[Record]) -> None:
        """Count events in flight as written to the spool."""
        count, size = len(records), _size(records)
        self._spooled += count
        self.room += count
        self._in_flight -= count
        self.space += size

    def settle_spooled(self, count: int, *, delivered: bool) -> None:
        """Count ``count`` spooled events of this process as delivered, or as refused for good."""
        self._spooled -= count
        if delivered:
            self._delivered += count
        else:
            self._failed += count

    def put_back(self, records: Sequence[Record]) -> None:
        """Put events in flight that did not arrive back to the front, in their order."""
        self.queue.extendleft(reversed(records))
        self._in_flight -= len(records)

    def __bool__(self) -> bool:
        """Return whether any event waits."""
        return bool(self.queue)

    @property
    def failed(self) -> int:
        """How many events the broker refused for good, or could not be encoded."""
        return self._failed

    @property
    def is_half_full(self) -> bool:
        """Whether half of one of the limits is used."""
        size = self._size_limit - self.space
        return self.pending * 2 >= self.max_events or size * 2 >= self.max_bytes

    def stats(self) -> Stats:
        """Return the counts of one instant."""
        pending, in_flight, size = (
            self._event_limit - self.room,
            self._in_flight,
            self._size_limit - self.space,
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


def _size(records: Sequence[Record]) -> int:
    return sum(len(record.key) + len(record.value) for record in records)
