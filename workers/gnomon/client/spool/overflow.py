"""What the drain puts into a spool, and what it sends from there: booked exactly, in order."""

from collections.abc import Iterable, Sequence
from typing import Final

from gnomon.client.delivery.buffer import Buffer, Record
from gnomon.client.delivery.identity import producer_of
from gnomon.client.delivery.ports import Outcomes, Position, Spool

SYNC_EVERY_S: Final = 1.0


class Overflow:
    """A spool with what is under way from it. Used by the drain thread only.

    One chunk at a time is under way; it is settled up to the first event that has to be sent
    again. Such an event, and all behind it, are read anew.

    Args:
        spool: Where events wait.
        buffer: Where they are counted.
        own: This process's producer id: other events are counted as replayed.
    """

    def __init__(self, spool: Spool, buffer: Buffer, *, own: str) -> None:
        self.spool = spool
        self._buffer, self._own = buffer, own
        self._chunk: Sequence[tuple[Position, Record]] = ()
        self._first_ticket = 0
        self._fate: dict[int, bool] = {}
        self._open: set[int] = set()
        self._synced_s = float("-inf")
        self._unsynced = False
        self._lost = 0

    @property
    def under_way(self) -> int:
        """How many events of a chunk are with the producer."""
        return len(self._open)

    def put(self, records: Sequence[Record]) -> bool:
        """Move events in flight to the spool, or back to the buffer; ``False``: it is full."""
        count = self.spool.append(records)
        self._buffer.spool(records[:count])
        self._buffer.put_back(records[count:])
        self._unsynced = self._unsynced or count > 0
        return count == len(records)

    def sync(self, now_s: float) -> None:
        """Sync what was put, unless it is not yet time to."""
        if self._unsynced and now_s - self._synced_s >= SYNC_EVERY_S:
            self._synced_s, self._unsynced = now_s, False
            self.spool.sync()

    def chunk(self, first_ticket: int, most: int) -> Sequence[Record]:
        """The oldest events, to be sent under tickets from ``first_ticket`` up."""
        self._chunk = self.spool.read(most)
        self._first_ticket = first_ticket
        self._fate = {}
        self._open = set(range(first_ticket, first_ticket + len(self._chunk)))
        self._book_lost()
        return [record for _, record in self._chunk]

    def hear(self, outcomes: Outcomes, *, final: bool) -> bool:
        """Take note of the chunk's outcomes; returns whether it is through, and settled.

        Args:
            outcomes: Those of other events are passed over.
            final: Whether a refusal is the broker's last word.
        """
        if not self._open:
            return False
        self._fate |= {t: True for t in outcomes.delivered if t in self._open}
        if final:
            self._fate |= {t: False for t in outcomes.refused if t in self._open}
        for tickets in outcomes:
            self._open.difference_update(tickets)
        if not self._open:
            self.settle()
        return not self._open

    def settle(self) -> None:
        """Book the chunk as far as it went, and be done with it."""
        known: list[bool] = []
        while (fate := self._fate.get(self._first_ticket + len(known))) is not None:
            known.append(fate)
        if known:
            self.spool.settle(self._chunk[len(known) - 1][0])
            self._book(zip((record for _, record in self._chunk), known, strict=False))
        self._chunk = ()
        self._fate.clear()
        self._open.clear()

    def _book_lost(self) -> None:
        """Events that were found to be gone, as by somebody who empties folders, have failed."""
        before, self._lost = self._lost, self.spool.lost()
        self._buffer.settle_spooled(self._lost - before, delivered=False)

    def _book(self, settled: Iterable[tuple[Record, bool]]) -> None:
        delivered = refused = 0
        for record, fate in settled:
            if producer_of(record.value) != self._own:
                self._buffer.replayed += fate
            elif fate:
                delivered += 1
            else:
                refused += 1
        self._buffer.settle_spooled(delivered, delivered=True)
        self._buffer.settle_spooled(refused, delivered=False)
