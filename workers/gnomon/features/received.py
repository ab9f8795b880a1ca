"""Which events of one producer have been read in one partition: exact where it can matter.

A producer's events come in the order of ``seq``, with gaps, for the others went to other
partitions. What comes out of order comes either a little late, or much later from a spool, in
order again. So two things are remembered:

* one bit for each ``seq`` of the last ``WINDOW`` up to the largest;
* the ``HOLES`` largest gaps of at least ``HOLE``, however old, and what is left of them while they
  are filled from below: nothing of them has been read.

A ``seq`` in neither cannot be told: it was read long ago, or fell into a small gap long ago. It is
taken for new, so that nothing is dropped on a guess, but not counted as received, so that what is
missing is never understated.
"""

from array import array
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from itertools import islice, pairwise
from operator import lt
from typing import Final, Self

import msgspec

WINDOW: Final = 65_536
HOLE: Final = 1_024
HOLES: Final = 32
_SETTLE: Final = 512
_MASK: Final = (1 << WINDOW) - 1
_ONE: Final = ord("1")


class ReceivedColumns(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """``Received`` as it is written down: ``bits`` little-endian, holes as start and stop."""

    received: int
    repeated: int
    told: int
    last: int
    bits: bytes
    holes: list[tuple[int, int]]


class Received:
    """The events read of one producer.

    Attributes:
        received: How many, each counted once; at most the truth.
        repeated: How many more came that had been read before.
        last: The largest ``seq``; -1 before the first.
        told: For the owner: how many events the last report stands for.
    """

    __slots__ = ("_bits", "_holes", "_pending", "_settled", "last", "received", "repeated", "told")

    def __init__(self) -> None:
        self.received = self.repeated = self.told = 0
        self.last = self._settled = -1
        # Bit i is set if ``_settled - i`` was read. Those after ``_settled`` wait in ``_pending``:
        # shifting a long integer for each batch would cost more than the rest.
        self._bits = 0
        self._pending = array("q")
        self._holes: list[tuple[int, int]] = []

    def take(self, seqs: list[int]) -> Sequence[int]:
        """Note what was read, in the order of the log.

        Args:
            seqs: At least one.

        Returns:
            The positions in ``seqs`` of those that were read before.
        """
        before = self.last
        if seqs[0] > before and (len(seqs) == 1 or all(map(lt, seqs, islice(seqs, 1, None)))):
            last = self.last = seqs[-1]
            self.received += len(seqs)
            if last - before - len(seqs) >= HOLE:
                self._find_holes((before, *seqs))
            pending = self._pending
            pending.fromlist(seqs)
            if len(pending) >= _SETTLE:
                self._settle()
            return ()
        return [at for at, seq in enumerate(seqs) if not self._note(seq)]

    def columns(self) -> ReceivedColumns:
        """Write it down; what it answers does not change."""
        self._settle()
        bits = self._bits.to_bytes((self._bits.bit_length() + 7) // 8, "little")
        return ReceivedColumns(
            self.received, self.repeated, self.told, self.last, bits, list(self._holes)
        )

    @classmethod
    def restored(cls, columns: ReceivedColumns) -> Self:
        """What ``columns`` wrote down."""
        received = cls()
        received.received, received.repeated = columns.received, columns.repeated
        received.told = columns.told
        received.last = received._settled = columns.last
        received._bits = int.from_bytes(columns.bits, "little")
        received._holes = columns.holes
        return received

    def _note(self, seq: int) -> bool:
        """Note one; False if it was read before."""
        if seq > self.last:
            self.take([seq])
            return True
        self._settle()
        back = self.last - seq
        in_hole = self._take_from_hole(seq)
        if back < WINDOW:
            if not in_hole and self._bits >> back & 1:
                self.repeated += 1
                return False
            self._bits |= 1 << back
            self.received += 1
        elif in_hole:
            self.received += 1
        return True

    def _settle(self) -> None:
        """Take ``_pending``, which ascends, into the bits."""
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

    def _find_holes(self, ascending: Iterable[int]) -> None:
        for before, seq in pairwise(ascending):
            if seq - before > HOLE:
                self._open(before + 1, seq)

    def _open(self, start: int, stop: int) -> None:
        """Remember that nothing of ``[start, stop)`` was read; beyond ``HOLES`` the smallest goes."""
        holes = self._holes
        holes.insert(bisect_right(holes, (start, stop)), (start, stop))
        if len(holes) > HOLES:
            holes.remove(min(holes, key=_size))

    def _take_from_hole(self, seq: int) -> bool:
        """Whether ``seq`` lies in a hole; the rest stays one, that below ``seq`` if it is large."""
        holes = self._holes
        at = bisect_right(holes, (seq, WINDOW << 64)) - 1
        if at < 0 or seq >= holes[at][1]:
            return False
        start, stop = holes.pop(at)
        if seq - start >= HOLE:
            self._open(start, seq)
        if seq + 1 < stop:
            self._open(seq + 1, stop)
        return True


def _size(hole: tuple[int, int]) -> int:
    return hole[1] - hole[0]
