"""The spooled records of one process: segments that are written, read, settled and deleted."""

import errno
import os
from collections import deque
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Final, Self

from gnomon.client.records import Position, Record
from gnomon.client.spool.folder import (
    create_lock,
    lock,
    lock_path,
    segments_of,
    sync_folder,
)
from gnomon.client.spool.format import decode, decode_position, encode_position
from gnomon.client.spool.segment import Segment

LONGEST_POSITION: Final = 64
LOAD_BYTES: Final = 128 << 10
"""Bytes read at once: few, because the agent's own threads want the interpreter meanwhile."""


class ProcessFiles:
    """The files of one process, while this process holds their lock. Raises the disk's errors.

    Attributes:
        name: The process's name in the folder.
        pending: Records that are not settled; see ``Segment.records`` for those of a dead process.
        damaged: Places in the segments read so far that hold no record.
        lost: Records that this process has written here and cannot read again.
    """

    def __init__(self, folder: Path, name: str, *, lock_fd: int, is_own: bool) -> None:
        self.name = name
        self.pending = self.damaged = self.lost = 0
        self._folder, self._lock_fd, self._is_own = folder, lock_fd, is_own
        self._segments: deque[Segment] = deque()
        self._active: Segment | None = None
        self._next_number = 0
        self._loaded: deque[tuple[int, Record]] = deque()
        self._loaded_upto = 0
        self._is_folder_dirty = is_own

    @classmethod
    def create(cls, folder: Path) -> Self:
        """Return files for this process, under a new name."""
        name, lock_fd = create_lock(folder)
        return cls(folder, name, lock_fd=lock_fd, is_own=True)

    @classmethod
    def adopt(cls, folder: Path, name: str) -> Self | None:
        """Return the files of a dead process; ``None`` if it lives or another process has them."""
        lock_fd = lock(lock_path(folder, name))
        if lock_fd is None:
            return None
        found = cls(folder, name, lock_fd=lock_fd, is_own=False)
        try:
            found._find_segments()
        except BaseException:
            found.release()
            raise
        return found

    def _find_segments(self) -> None:
        """Find the segments that a dead process left, from its position on."""
        number, offset = decode_position(os.pread(self._lock_fd, LONGEST_POSITION, 0))
        for found, path in segments_of(self._folder, self.name):
            if found < number:
                path.unlink(missing_ok=True)
                continue
            self._segments.append(Segment(found, path, path.stat().st_size, records=1))
            self.pending += 1
        if self._segments and self._segments[0].number == number:
            self._loaded_upto = offset

    @property
    def active_bytes(self) -> int | None:
        """Size of the segment that is written to, in bytes; ``None`` if there is none."""
        return None if self._active is None else self._active.size

    def replace_deleted(self) -> None:
        """Go on with new files if the lock or the segment written to has been deleted.

        Records in deleted segments are found to be lost when they are read.
        """
        if self._active is not None and os.fstat(self._active.fd).st_nlink == 0:
            self._active = None
        if os.fstat(self._lock_fd).st_nlink == 0:
            self.name, lock_fd = create_lock(self._folder)
            deleted_fd, self._lock_fd = self._lock_fd, lock_fd
            os.close(deleted_fd)
            self._active, self._is_folder_dirty = None, True

    def begin_segment(self) -> None:
        """Write to a new segment from now on."""
        segment = Segment.create(self._folder, self.name, self._next_number)
        self._next_number += 1
        self._segments.append(segment)
        self._active = segment
        self._is_folder_dirty = True

    def write(self, encoded: Sequence[bytes]) -> int:
        """Append records to the active segment; return how many are in it.

        After fewer than all, on a full disk, the next records need a new segment.

        Raises:
            OSError: None of them could be written.
        """
        segment = self._active
        if segment is None:
            raise ValueError("write comes after begin_segment")
        before = segment.records
        try:
            segment.write(encoded)
        finally:
            taken = segment.records - before
            self.pending += taken
            if taken < len(encoded) and segment.size:  # an empty segment may be tried again
                self._active = None
        if encoded and not taken:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return taken

    def sync(self) -> None:
        """Sync all records to the disk, so that they survive a loss of power."""
        for segment in self._segments:
            segment.sync()
            if segment is not self._active:
                segment.close()
        if self._is_folder_dirty:
            sync_folder(self._folder)
            self._is_folder_dirty = False

    def read(self, max_events: int) -> list[tuple[Position, Record]]:
        """Return the oldest unsettled records of one segment; an empty list if there are none."""
        while self._segments:
            segment = self._segments[0]
            if segment.size == 0 and segment is self._active:
                break
            if not self._loaded:
                self._load(segment)
            if self._loaded:
                return [
                    (Position(segment.path.name, end), record)
                    for end, record in islice(self._loaded, max_events)
                ]
            self._drop(segment)
        return []

    def _load(self, segment: Segment) -> None:
        """Read at least one more record of a segment, unless no more are in it.

        A segment that cannot be read stays in the folder, for another process to try.
        """
        most = LOAD_BYTES
        while not self._loaded and self._loaded_upto < segment.size:
            start = self._loaded_upto
            try:
                data = segment.read(start, most)
            except OSError:
                self.lost += segment.records if self._is_own else 0
                self._forget(segment)
                raise
            is_all = start + len(data) >= segment.size or len(data) < most
            decoded = decode(data, begins_at=start, is_all=is_all)
            self._loaded.extend(decoded.records)
            self._loaded_upto = segment.size if is_all else decoded.upto
            self.damaged += decoded.damaged
            most *= 4
        self._recount(segment)

    def _recount(self, segment: Segment) -> None:
        """Correct the counts of a segment, now that more of it has been read."""
        is_read = self._loaded_upto >= segment.size
        before = segment.records
        if is_read:
            segment.records = len(self._loaded)
        elif not self._is_own:
            segment.records = len(self._loaded) + 1
        if self._is_own:
            self.lost += max(0, before - segment.records)
        self.pending += segment.records - before

    def settle(self, upto: Position) -> None:
        """Forget all records up to and with the one that ends at ``upto``."""
        if all(segment.path.name != upto.file for segment in self._segments):
            return
        while (segment := self._segments[0]).path.name != upto.file:
            self._drop(segment)
        while self._loaded and self._loaded[0][0] <= upto.end:
            self._loaded.popleft()
            segment.records -= 1
            self.pending -= 1
        if not self._loaded and self._loaded_upto >= segment.size:
            self._drop(segment)
        else:
            os.pwrite(self._lock_fd, encode_position(segment.number, upto.end), 0)

    def _drop(self, segment: Segment) -> None:
        self._forget(segment)
        segment.path.unlink(missing_ok=True)

    def _forget(self, segment: Segment) -> None:
        """Remove the oldest segment from these files, without deleting it."""
        self._segments.popleft()
        self._loaded.clear()
        self._loaded_upto = 0
        self.pending -= segment.records
        if segment is self._active:
            self._active = None
        segment.close()

    def end(self) -> None:
        """Release the files; delete them and the lock file if nothing is pending."""
        try:
            if not self.pending:
                for segment in list(self._segments):
                    self._drop(segment)
                lock_path(self._folder, self.name).unlink(missing_ok=True)
        finally:
            self.release()

    def release(self) -> None:
        """Close the files as they are, as the end of the process would.

        In a forked child this closes the child's copies only: the parent keeps the lock.
        """
        for segment in self._segments:
            segment.close()
        fd, self._lock_fd = self._lock_fd, -1
        if fd >= 0:
            os.close(fd)
