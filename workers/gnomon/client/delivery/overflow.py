"""The spool's part in the delivery: events moved into it and sent from it, counted and in order."""

from collections.abc import Iterable, Sequence
from typing import Final

from gnomon.client.delivery.buffer import Buffer
from gnomon.client.delivery.identity import producer_of
from gnomon.client.delivery.ports import Outcomes, Spool
from gnomon.client.records import Position, Record

SYNC_EVERY_S: Final = 1.0


class Overflow:
    """A spool, and the chunk of it that is in flight. Used by the drain thread only.

    One chunk at a time is in flight. It is settled up to the first event that has to be sent again;
    that event and all behind it are read anew.

    Args:
        spool: Where events wait.
        buffer: Where they are counted.
        producer_id: This process's producer id; events of others are counted as replayed.
    """

    def __init__(self, spool: Spool, buffer: Buffer, *, producer_id: str) -> None:
        self.spool = spool
        self._buffer, self._producer_id = buffer, producer_id
        self._chunk: Sequence[tuple[Position, Record]] = ()
        self._first_ticket = 0
        self._results: dict[int, bool] = {}
        self._open: set[int] = set()
        self._synced_s = float("-inf")
        self._is_unsynced = False
        self._lost = 0

    @property
    def in_flight(self) -> int:
        """How many events of a chunk are with the producer."""
        return len(self._open)

    def put(self, records: Sequence[Record]) -> bool:
        """Move events in flight to the spool, or back to the buffer; return whether all fit."""
        count = self.spool.append(records)
        self._buffer.spool(records[:count])
        self._buffer.put_back(records[count:])
        self._is_unsynced = self._is_unsynced or count > 0
        return count == len(records)

    def sync(self, now_s: float) -> None:
        """Sync the spool, at most once in ``SYNC_EVERY_S``."""
        if self._is_unsynced and now_s - self._synced_s >= SYNC_EVERY_S:
            self._synced_s, self._is_unsynced = now_s, False
            self.spool.sync()

    def next_chunk(self, first_ticket: int, most: int) -> Sequence[Record]:
        """Read the oldest events, to be sent under tickets from ``first_ticket`` up."""
        self._chunk = self.spool.read(most)
        self._first_ticket = first_ticket
        self._results = {}
        self._open = set(range(first_ticket, first_ticket + len(self._chunk)))
        self._count_lost()
        return [record for _, record in self._chunk]

    def record_outcomes(self, outcomes: Outcomes, *, final: bool) -> bool:
        """Note the outcomes of the chunk's events; settle the chunk after the last one.

        Args:
            outcomes: Tickets of other events are ignored.
            final: Whether a refused event is not to be sent again.

        Returns:
            Whether the chunk is settled.
        """
        if not self._open:
            return False
        self._results |= {t: True for t in outcomes.delivered if t in self._open}
        if final:
            self._results |= {t: False for t in outcomes.refused if t in self._open}
        for tickets in outcomes:
            self._open.difference_update(tickets)
        if not self._open:
            self.settle()
        return not self._open

    def settle(self) -> None:
        """Settle the chunk up to its first event without a result, and forget the rest."""
        known: list[bool] = []
        while (result := self._results.get(self._first_ticket + len(known))) is not None:
            known.append(result)
        if known:
            self.spool.settle(self._chunk[len(known) - 1][0])
            self._count_settled(zip((record for _, record in self._chunk), known, strict=False))
        self._chunk = ()
        self._results.clear()
        self._open.clear()

    def _count_lost(self) -> None:
        """Count spooled events as failed that can no longer be read, as after their files were deleted."""
        before, self._lost = self._lost, self.spool.lost()
        self._buffer.settle_spooled(self._lost - before, delivered=False)

    def _count_settled(self, settled: Iterable[tuple[Record, bool]]) -> None:
        delivered = refused = 0
        for record, is_delivered in settled:
            if producer_of(record.value) != self._producer_id:
                self._buffer.replayed += is_delivered
            elif is_delivered:
                delivered += 1
            else:
                refused += 1
        self._buffer.settle_spooled(delivered, delivered=True)
        self._buffer.settle_spooled(refused, delivered=False)
