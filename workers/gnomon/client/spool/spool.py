"""A spool of files: what a client could not deliver, kept for later or for the next process.

Processes share a folder and no lock: each writes files of its own, and reads those of the dead,
one process's at a time, before its own. What was appended survives the process; what was synced
survives the machine. After a crash records may come again, which readers drop by ``producer_id``
and ``seq``; damage costs the records it is in. The bytes are described in ``spool_format``.
"""

import contextlib
import os
import time
import weakref
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from gnomon.client.delivery.buffer import Record
from gnomon.client.delivery.ports import Position
from gnomon.client.spool.files import Files
from gnomon.client.spool.folder import bytes_in, owners
from gnomon.client.spool.format import encode

SEGMENT_BYTES: Final = 1 << 20
LOOK_EVERY_S: Final = 30.0
"""How often a living process looks whether another one has died."""


class SpoolCounts(NamedTuple):
    """What went wrong, as counts since the spool was made (or since the fork).

    ``refused`` records were not taken, for want of room or by the disk; ``lost`` were taken of
    this process and cannot be read; ``damaged`` is places, of any process, that hold no record.
    """

    refused: int
    lost: int
    damaged: int
    disk_errors: int


class FileSpool:
    """The spool of one process: ``gnomon.client.delivery.ports.Spool``. Belongs to one thread.

    No method raises ``OSError``: what the disk refuses is counted, and ``trouble`` names it.
    Nothing touches the disk before the first call. A forked child begins anew by itself.

    Args:
        folder: Made with mode 0700 where it is missing. Files have mode 0600.
        max_bytes: Of all segments of all processes in the folder. Processes that write at the same
            time may exceed it by one segment each.
        segment_bytes: Size from which a segment is followed by another.
        clock_s: Monotonic.

    Attributes:
        trouble: Name of the latest error of the disk, or ``None``.
    """

    def __init__(
        self,
        folder: str | Path,
        *,
        max_bytes: int,
        segment_bytes: int = SEGMENT_BYTES,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._folder = Path(folder)
        with contextlib.suppress(OSError):  # there is no working directory
            self._folder = self._folder.absolute()  # the agent may change to another
        self._max_bytes, self._clock_s = max_bytes, clock_s
        self._segment_bytes = min(segment_bytes, max(1, max_bytes // 4))
        self._begin()
        _living.add(self)

    def _begin(self) -> None:
        self.trouble: str | None = None
        self._mine: Files | None = None
        self._dead: Files | None = None
        self._been_through: set[str] = set()
        self._look_again_s = float("-inf")
        self._room = 0
        self._refused = self._lost = self._damaged = self._disk_errors = 0

    def append(self, values: Sequence[Record]) -> int:
        """Write ``values``, unsynced; return how many of them, from the first, are taken."""
        encoded = [encode(value) for value in values]
        taken = 0
        try:
            while taken < len(encoded):
                written = self._write_some(encoded[taken:])
                taken += written
                if not written:
                    break
        except OSError as error:
            self._note(error)
        self._refused += len(encoded) - taken
        return taken

    def _write_some(self, encoded: Sequence[bytes]) -> int:
        """Write what the segment and the folder have room for; 0 if the folder is full."""
        mine = self._writable()
        size = mine.active_bytes
        if size is None or size >= self._segment_bytes:
            self._room = self._max_bytes - bytes_in(self._folder)
            if self._room < len(encoded[0]):
                return 0
            mine.begin_segment()
            size = 0
        elif self._room < len(encoded[0]):
            self._room = self._max_bytes - bytes_in(self._folder)
        count = 0
        for one in encoded:
            if size >= self._segment_bytes or len(one) > self._room:
                break
            size += len(one)
            self._room -= len(one)
            count += 1
        return mine.write(encoded[:count]) if count else 0

    def _writable(self) -> Files:
        if self._mine is None:
            self._mine = Files.create(self._folder)
        self._mine.look_after()
        return self._mine

    def sync(self) -> None:
        """Have what was written outlive the machine. The caller does so at most once a second."""
        if self._mine is not None:
            try:
                self._mine.sync()
            except OSError as error:
                self._note(error)

    def read(self, max_events: int) -> Sequence[tuple[Position, Record]]:
        """At least one record if any is pending: the oldest, of the dead before our own.

        Settles none: until then, the same are read again.
        """
        self._look_for_dead()
        while self._dead is not None:
            if found := self._read(self._dead, max_events):
                return found
            self._end_dead()
        return [] if self._mine is None else self._read(self._mine, max_events)

    def _read(self, files: Files, max_events: int) -> Sequence[tuple[Position, Record]]:
        while files.pending:
            try:
                return files.read(max_events)
            except OSError as error:  # of one segment, which is left behind
                self._note(error)
        return []

    def settle(self, upto: Position) -> None:
        """All up to and with ``upto`` are done with: delivered, or refused for good."""
        for files in (self._dead, self._mine):
            if files is not None:
                try:
                    files.settle(upto)
                except OSError as error:
                    self._note(error)
        if self._dead is not None and not self._dead.pending:
            self._end_dead()

    def pending(self) -> int:
        """How many are not settled: exactly of this process, and more than 0 if of a dead one."""
        self._look_for_dead()
        mine, dead = self._mine, self._dead
        return (mine.pending if mine else 0) + (dead.pending if dead else 0)

    def lost(self) -> int:
        """How many records of this process were taken and cannot be read again, so far."""
        return self._lost + (self._mine.lost if self._mine else 0)

    def counts(self) -> SpoolCounts:
        """What went wrong so far."""
        mine, dead = self._mine, self._dead
        return SpoolCounts(
            refused=self._refused,
            lost=self.lost(),
            damaged=self._damaged + sum(files.damaged for files in (mine, dead) if files),
            disk_errors=self._disk_errors,
        )

    def close(self) -> None:
        """Sync and let go, so that a later process may read what is left."""
        self.sync()
        self._been_through.clear()
        self._look_again_s = float("-inf")
        for files in (self._dead, self._mine):
            if files is not None:
                self._let_go(files, files.end)
        self._dead = self._mine = None

    def _look_for_dead(self) -> None:
        """Adopt the files of a process that has died, the oldest first, if there are any."""
        if self._dead is not None or self._clock_s() < self._look_again_s:
            return
        self._look_again_s = self._clock_s() + LOOK_EVERY_S
        try:
            names = owners(self._folder)
            self._been_through.intersection_update(names)
            for name in names:
                if name not in self._been_through and self._adopts(name):
                    return
        except OSError as error:
            self._note(error)

    def _adopts(self, name: str) -> bool:
        """Whether ``name`` is dead and has left records, which are ours to read now."""
        try:
            found = Files.adopt(self._folder, name)
        except OSError as error:
            self._note(error)
            self._been_through.add(name)
            return False
        if found is None:
            return False
        self._been_through.add(name)  # once only, even if its files cannot be deleted
        if found.pending:
            self._dead = found
            return True
        self._let_go(found, found.end)
        return False

    def _end_dead(self) -> None:
        """The adopted files are settled: go on to another dead process's."""
        dead, self._dead = self._dead, None
        if dead is not None:
            self._let_go(dead, dead.end)
            self._look_again_s = float("-inf")
            self._look_for_dead()

    def _let_go(self, files: Files, how: Callable[[], None]) -> None:
        self._damaged += files.damaged
        self._lost += files.lost
        try:
            how()
        except OSError as error:
            self._note(error)

    def _note(self, error: OSError) -> None:
        self._disk_errors += 1
        self.trouble = type(error).__name__ if error.errno is None else os.strerror(error.errno)

    def _forget_the_parents(self) -> None:
        """In a forked child: let go of the parent's files without a trace, and begin anew."""
        for files in (self._mine, self._dead):
            if files is not None:
                with contextlib.suppress(OSError):
                    files.release()
        self._begin()


_living: "weakref.WeakSet[FileSpool]" = weakref.WeakSet()


def _after_fork_in_child() -> None:
    for spool in list(_living):
        spool._forget_the_parents()  # noqa: SLF001  of this module


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
