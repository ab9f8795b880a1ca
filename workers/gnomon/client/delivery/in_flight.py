"""The events that the producer has: taken, sent under tickets, and settled by their outcomes."""

from collections.abc import Callable, Sequence
from typing import Final

from gnomon.client.delivery.buffer import Buffer
from gnomon.client.delivery.identity import Identity
from gnomon.client.delivery.overflow import Overflow
from gnomon.client.delivery.ports import Outcomes, Producer
from gnomon.client.records import Record

WINDOW_EVENTS: Final = 1_000
"""Most events with the producer at a time. The rest waits in the buffer, which is bounded."""
SLICE_EVENTS: Final = 32
"""Most events taken at once: encoding them keeps the interpreter from the agent."""
SLICE_BYTES: Final = 512 << 10

Seal = Callable[[Sequence[Record]], Sequence[Record]]


class InFlight:
    """Tracks the events that are with the producer, from the buffer and from the spool.

    Args:
        buffer: Where events wait and are counted.
        identity: Put on each event as it is taken.
        overflow: The spool, if there is one.
        seal: Seals the payloads of events as they are taken, if a key is configured.

    Attributes:
        records: The buffer's events that are with the producer, by ticket.
    """

    def __init__(
        self, buffer: Buffer, *, identity: Identity, overflow: Overflow | None, seal: Seal | None
    ) -> None:
        self.records: dict[int, Record] = {}
        self._buffer, self._identity = buffer, identity
        self._overflow, self._seal = overflow, seal
        self._next_ticket = 0
        self._single_sends = 0

    @property
    def count(self) -> int:
        """How many events are with the producer."""
        return len(self.records) + (self._overflow.in_flight if self._overflow else 0)

    @property
    def room(self) -> int:
        """How many more events may be sent now."""
        return (1 if self._single_sends else WINDOW_EVENTS) - self.count

    def take(self, most: int = SLICE_EVENTS) -> list[Record]:
        """Take the oldest waiting events, sealed if a key is configured, each with its identity."""
        taken = self._buffer.take(max_events=most, max_bytes=SLICE_BYTES)
        records = self._identity.put_on(taken if self._seal is None else self._seal(taken))
        self._buffer.grow(sum(len(r.value) for r in records) - sum(len(r.value) for r in taken))
        return records

    def send_spooled(self, producer: Producer) -> None:
        """Send the next chunk of the spool, if none of it is in flight and there is room."""
        overflow, room = self._overflow, self.room
        if overflow and not overflow.in_flight and overflow.spool.pending() and room > 0:
            records = overflow.next_chunk(self._next_ticket, room)
            self._send(producer, records, from_buffer=False)

    def send_slice(self, producer: Producer) -> bool:
        """Send the oldest waiting events; return whether there may be more to send now."""
        if (room := self.room) <= 0 or not (records := self.take(min(room, SLICE_EVENTS))):
            return False
        return self._send(producer, records, from_buffer=True)

    def _send(self, producer: Producer, records: Sequence[Record], *, from_buffer: bool) -> bool:
        """Send ``records``; return whether the producer had room for all of them."""
        for index, record in enumerate(records):
            ticket = self._next_ticket
            self._next_ticket += 1
            if from_buffer:
                self.records[ticket] = record
            if producer.send(ticket, record):
                continue
            if from_buffer:
                del self.records[ticket]
                self._buffer.put_back(records[index:])
            elif self._overflow is not None:
                unsent = range(ticket, ticket + len(records) - index)
                self._next_ticket = unsent.stop
                self._overflow.record_outcomes(Outcomes([], list(unsent), []), final=False)
            return False
        return True

    def settle(self, outcomes: Outcomes) -> None:
        """Count delivered events, and put the others back unless a refusal is final.

        One event may be the cause of a refusal of its whole batch. So the events of a refused batch
        are sent once more, one at a time; the refusal of an event that was sent alone is final.
        """
        final = self._single_sends > 0 and self.count == 1
        if final:
            self._single_sends -= 1
        elif outcomes.refused:
            self._single_sends = max(self._single_sends, len(outcomes.refused))
        if self._overflow is not None:
            self._overflow.record_outcomes(outcomes, final=final)
        again = [*outcomes.again, *([] if final else outcomes.refused)]
        self._buffer.settle(self._pop(outcomes.delivered), delivered=True)
        self._buffer.settle(self._pop(outcomes.refused if final else []), delivered=False)
        self._buffer.put_back(self._pop(sorted(again)))

    def abandon(self) -> None:
        """Count the events in flight as not delivered, and put them back."""
        if self._overflow is not None:
            self._overflow.settle()
        self._buffer.put_back(self._pop(sorted(self.records)))

    def _pop(self, tickets: Sequence[int]) -> list[Record]:
        """Remove and return the buffer's events among ``tickets``.

        Other tickets are of the spool's events, or of a producer that was given up.
        """
        return [self.records.pop(ticket) for ticket in tickets if ticket in self.records]
