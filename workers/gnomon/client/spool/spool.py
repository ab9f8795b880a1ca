"""A spool of files: events that a client could not deliver, kept for later or a later process.

Processes share a folder without a common lock. Each writes files of its own. It sends the
files of dead processes first, one process's at a time, and then its own. Appended records survive the process; synced
records survive the machine. After a crash records may be sent again, which readers drop by
``producer_id`` and ``seq``. Damage costs the records it is in. ``format`` describes the bytes.
"""

import contextlib
import os
import time
import weakref
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from gnomon.client.records import Position, Record
from gnomon.client.spool.dead_files import DeadFiles
from gnomon.client.spool.files import ProcessFiles
from gnomon.client.spool.folder import bytes_in
from gnomon.client.spool.format import encode

SEGMENT_BYTES: Final = 1 << 20


class SpoolCounts(NamedTuple):
    """Problems, counted since the spool was made (or since the fork).

    Attributes:
        refused: Records that were not taken, for want of room or by an error of the disk.
        lost: Records taken from this process that cannot be read again.
        damaged: Places in the files, of any process, that hold no record.
        disk_errors: Errors of the disk.
    """

    refused: int
    lost: int
    damaged: int
    disk_errors: int


class FileSpool:
    """The spool of one process: ``gnomon.client.delivery.ports.Spool``. Belongs to one thread.

    No method raises ``OSError``: errors of the disk are counted, and ``last_error`` has the latest.
    Nothing touches the disk before the first call. A forked child begins anew by itself.

    Args:
        folder: Made with mode 0700 if it is missing. Files have mode 0600.
        max_bytes: Most bytes of all segments of all processes in the folder. Processes that write
            at the same time may exceed it by one segment each.
        segment_bytes: Size from which a segment is followed by another.
        clock_s: Monotonic clock in seconds.

    Attributes:
        last_error: Text of the latest error of the disk, or ``None``.
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
        _spools.add(self)

    def _begin(self) -> None:
        self.last_error: str | None = None
        self._own: ProcessFiles | None = None
        self._dead = DeadFiles(
            self._folder,
            release=self._release,
            note_error=self._note_error,
            clock_s=self._clock_s,
        )
        self._room = 0
        self._refused = self._lost = self._damaged = self._disk_errors = 0

    def append(self, values: Sequence[Record]) -> int:
        """Write ``values``, unsynced; return how many of them, from the first, are written."""
        encoded = [encode(value) for value in values]
        taken = 0
        try:
            while taken < len(encoded):
                written = self._write_some(encoded[taken:])
                taken += written
                if not written:
                    break
        except OSError as error:
            self._note_error(error)
        self._refused += len(encoded) - taken
        return taken

    def _write_some(self, encoded: Sequence[bytes]) -> int:
        """Write as many records as fit the segment and the folder; 0 if the folder is full."""
        own = self._writable()
        size = own.active_bytes
        if size is None or size >= self._segment_bytes:
            self._room = self._max_bytes - bytes_in(self._folder)
            if self._room < len(encoded[0]):
                return 0
            own.begin_segment()
            size = 0
        elif self._room < len(encoded[0]):
            self._room = self._max_bytes - bytes_in(self._folder)
        count = 0
        for record in encoded:
            if size >= self._segment_bytes or len(record) > self._room:
                break
            size += len(record)
            self._room -= len(record)
            count += 1
        return own.write(encoded[:count]) if count else 0

    def _writable(self) -> ProcessFiles:
        if self._own is None:
            self._own = ProcessFiles.create(self._folder)
        self._own.replace_deleted()
        return self._own

    def sync(self) -> None:
        """Sync the written records to the disk. The caller does so at most once a second."""
        if self._own is not None:
            try:
                self._own.sync()
            except OSError as error:
                self._note_error(error)

    def read(self, max_events: int) -> Sequence[tuple[Position, Record]]:
        """Return at least one record if any is pending: the oldest, dead processes' before our own.

        The same records are returned until they are settled.
        """
        self._dead.look()
        while self._dead.current is not None:
            if found := self._read(self._dead.current, max_events):
                return found
            self._dead.finish()
        return [] if self._own is None else self._read(self._own, max_events)

    def _read(self, files: ProcessFiles, max_events: int) -> Sequence[tuple[Position, Record]]:
        while files.pending:
            try:
                return files.read(max_events)
            except OSError as error:  # of one segment, which is skipped
                self._note_error(error)
        return []

    def settle(self, upto: Position) -> None:
        """Forget all records up to and with ``upto``: they are delivered, or refused for good."""
        for files in self._all_files():
            try:
                files.settle(upto)
            except OSError as error:
                self._note_error(error)
        if self._dead.current is not None and not self._dead.current.pending:
            self._dead.finish()

    def pending(self) -> int:
        """Return how many records are not settled: exact for this process, above 0 for a dead one."""
        self._dead.look()
        return sum(files.pending for files in self._all_files())

    def lost(self) -> int:
        """Return how many records taken from this process could not be read again, so far."""
        return self._lost + (self._own.lost if self._own else 0)

    def counts(self) -> SpoolCounts:
        """Return the counts of problems so far."""
        return SpoolCounts(
            refused=self._refused,
            lost=self.lost(),
            damaged=self._damaged + sum(files.damaged for files in self._all_files()),
            disk_errors=self._disk_errors,
        )

    def close(self) -> None:
        """Sync and release the files, so that a later process may read the rest."""
        self.sync()
        self._dead.close()
        own, self._own = self._own, None
        if own is not None:
            self._release(own)

    def _all_files(self) -> list[ProcessFiles]:
        return [files for files in (self._dead.current, self._own) if files is not None]

    def _release(self, files: ProcessFiles) -> None:
        """Keep the counts of ``files`` and end them."""
        self._damaged += files.damaged
        self._lost += files.lost
        try:
            files.end()
        except OSError as error:
            self._note_error(error)

    def _note_error(self, error: OSError) -> None:
        self._disk_errors += 1
        self.last_error = type(error).__name__ if error.errno is None else os.strerror(error.errno)

    def _reset_after_fork(self) -> None:
        """In a forked child, close the parent's files without changing them, and begin anew."""
        for files in self._all_files():
            with contextlib.suppress(OSError):
                files.release()
        self._begin()


_spools: "weakref.WeakSet[FileSpool]" = weakref.WeakSet()


def _after_fork_in_child() -> None:
    for spool in list(_spools):
        spool._reset_after_fork()  # noqa: SLF001  of this module


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
