"""Which events of one producer have been read in one partition: exact where it can matter.

A producer's events arrive in the order of ``seq``, with gaps, because other events went to other
partitions. Events out of order arrive either a little late, or much later from a spool, in order
again. So two things are remembered:

* one bit for each of the last ``WINDOW`` numbers up to the largest ``seq``;
* the ``MAX_GAPS`` largest gaps of at least ``MIN_GAP`` numbers, however old, none of which has been
  read. A gap shrinks while it is filled from below.

For a ``seq`` outside both it is unknown whether it was read: it was read long ago, or is part of a
small old gap. It is processed as new, so that no event is dropped by mistake, but not counted as
received, so that the number of missing events is never understated.
"""

from array import array
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from itertools import islice, pairwise
from operator import lt
from typing import Final, Self

import msgspec

WINDOW: Final = 65_536
MIN_GAP: Final = 1_024
MAX_GAPS: Final = 32
_SETTLE: Final = 512
_MASK: Final = (1 << WINDOW) - 1
_ONE: Final = ord("1")


class ReceivedColumns(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """``Received`` in a snapshot: ``bits`` little-endian, gaps as start and stop."""

    received: int
    repeated: int
    reported: int
    last: int
    bits: bytes
    gaps: list[tuple[int, int]]


class Received:
    """The events read of one producer.

    Attributes:
        received: The number of distinct events; never more than the true number.
        repeated: The number of repeats.
        last: The largest ``seq``; -1 before the first.
        reported: The number of events and repeats at the last report, kept for the caller.
    """

    __slots__ = (
        "_bits", "_gaps", "_pending", "_settled", "last", "received", "repeated", "reported",
    )  # fmt: skip

    def __init__(self) -> None:
        self.received = self.repeated = self.reported = 0
        self.last = self._settled = -1
        # Bit i is set if ``_settled - i`` was read. Numbers after ``_settled`` are in ``_pending``,
        # because shifting a long integer for each batch would cost more than everything else.
        self._bits = 0
        self._pending = array("q")
        self._gaps: list[tuple[int, int]] = []

    def mark(self, seqs: list[int]) -> Sequence[int]:
        """Mark events as read.

        Args:
            seqs: At least one number, in log order.

        Returns:
            The positions in ``seqs`` of the repeats.
        """
        before = self.last
        if seqs[0] > before and (len(seqs) == 1 or all(map(lt, seqs, islice(seqs, 1, None)))):
            last = self.last = seqs[-1]
            self.received += len(seqs)
            if last - before - len(seqs) >= MIN_GAP:
                self._find_gaps((before, *seqs))
            pending = self._pending
            pending.fromlist(seqs)
            if len(pending) >= _SETTLE:
                self._settle()
            return ()
        return [at for at, seq in enumerate(seqs) if not self._mark_one(seq)]

    def columns(self) -> ReceivedColumns:
        """Export the state for a snapshot; later results do not change."""
        self._settle()
        bits = self._bits.to_bytes((self._bits.bit_length() + 7) // 8, "little")
        return ReceivedColumns(
            self.received, self.repeated, self.reported, self.last, bits, list(self._gaps)
        )

    @classmethod
    def restored(cls, columns: ReceivedColumns) -> Self:
        """Build the object that ``columns`` exported."""
        received = cls()
        received.received, received.repeated = columns.received, columns.repeated
        received.reported = columns.reported
        received.last = received._settled = columns.last
        received._bits = int.from_bytes(columns.bits, "little")
        received._gaps = columns.gaps
        return received

    def _mark_one(self, seq: int) -> bool:
        """Mark one event as read; False if it is a repeat."""
        if seq > self.last:
            self.mark([seq])
            return True
        self._settle()
        back = self.last - seq
        in_gap = self._take_from_gap(seq)
        if back < WINDOW:
            if not in_gap and self._bits >> back & 1:
                self.repeated += 1
                return False
            self._bits |= 1 << back
            self.received += 1
        elif in_gap:
            self.received += 1
        return True

    def _settle(self) -> None:
        """Move ``_pending``, which ascends, into the bits."""
        pending, before, last = self._pending, self._settled, self.last
        if not pending:
            return
        forgotten = max(before, last - WINDOW)
        # The quickest way to an integer with many bits set is to read it as text.
        row = bytearray(b"0") * (last - forgotten)
        for seq in pending if forgotten == before else [s for s in pending if s > forgotten]:
            row[seq - forgotten - 1] = _ONE
        advanced = last - before
        kept = self._bits << advanced & _MASK if advanced < WINDOW else 0
        self._bits = kept | int(row, 2)
        self._settled = last
        self._pending = array("q")

    def _find_gaps(self, ascending: Iterable[int]) -> None:
        for before, seq in pairwise(ascending):
            if seq - before > MIN_GAP:
                self._add_gap(before + 1, seq)

    def _add_gap(self, start: int, stop: int) -> None:
        """Add the gap ``[start, stop)``; beyond ``MAX_GAPS`` the smallest gap is dropped."""
        gaps = self._gaps
        gaps.insert(bisect_right(gaps, (start, stop)), (start, stop))
        if len(gaps) > MAX_GAPS:
            gaps.remove(min(gaps, key=_size))

    def _take_from_gap(self, seq: int) -> bool:
        """Whether ``seq`` is in a gap; the rest of it stays a gap, below ``seq`` only if large."""
        gaps = self._gaps
        at = bisect_right(gaps, (seq, WINDOW << 64)) - 1
        if at < 0 or seq >= gaps[at][1]:
            return False
        start, stop = gaps.pop(at)
        if seq - start >= MIN_GAP:
            self._add_gap(start, seq)
        if seq + 1 < stop:
            self._add_gap(seq + 1, stop)
        return True


def _size(gap: tuple[int, int]) -> int:
    return gap[1] - gap[0]
