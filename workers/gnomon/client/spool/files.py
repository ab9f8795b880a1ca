"""What one process has spooled: segments that are written, read, settled and deleted."""

import contextlib
import errno
import os
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final, Self

from gnomon.client.delivery.buffer import Record
from gnomon.client.delivery.ports import Position
from gnomon.client.spool.folder import (
    FILE_MODE,
    lock,
    new_owner,
    owner_path,
    segment_path,
    segments_of,
    sync_folder,
)
from gnomon.client.spool.format import decode, decode_position, encode_position

LONGEST_POSITION: Final = 64
LOAD_BYTES: Final = 128 << 10
"""Read at once: little, as the agent's own threads want the interpreter meanwhile."""


@dataclass(slots=True, eq=False)
class _Segment:
    """One file. ``size`` is what it holds for certain; ``records`` of it are not settled.

    What is not read yet of a dead process's segment counts as one. ``fd`` is for writing, or -1.
    """

    number: int
    path: Path
    size: int
    records: int
    fd: int = -1
    is_dirty: bool = False


class Files:
    """The files of one process, for the process that holds their lock. Raises as the disk does.

    Attributes:
        pending: Records that are not settled; see ``_Segment`` for those of a dead process.
        damaged: Places where a segment held no record, of what has been read.
        lost: Records that this process has written here and cannot read again.
    """

    def __init__(self, folder: Path, name: str, *, lock_fd: int, are_mine: bool) -> None:
        self.name = name
        self.pending = self.damaged = self.lost = 0
        self._folder, self._lock_fd, self._are_mine = folder, lock_fd, are_mine
        self._segments: deque[_Segment] = deque()
        self._active: _Segment | None = None
        self._next_number = 0
        self._loaded: deque[tuple[int, Record]] = deque()
        self._loaded_upto = 0
        self._is_folder_dirty = are_mine

    @classmethod
    def create(cls, folder: Path) -> Self:
        """Files of a new name, for this process."""
        name, lock_fd = new_owner(folder)
        return cls(folder, name, lock_fd=lock_fd, are_mine=True)

    @classmethod
    def adopt(cls, folder: Path, name: str) -> Self | None:
        """The files of a process that is dead; ``None`` if it lives or another was faster."""
        lock_fd = lock(owner_path(folder, name))
        if lock_fd is None:
            return None
        found = cls(folder, name, lock_fd=lock_fd, are_mine=False)
        try:
            found._find_segments()
        except BaseException:
            found.release()
            raise
        return found

    def _find_segments(self) -> None:
        """Take up what a dead process left, from its position on."""
        segment, offset = decode_position(os.pread(self._lock_fd, LONGEST_POSITION, 0))
        for number, path in segments_of(self._folder, self.name):
            if number < segment:
                path.unlink(missing_ok=True)
                continue
            self._segments.append(_Segment(number, path, path.stat().st_size, records=1))
            self.pending += 1
        if self._segments and self._segments[0].number == segment:
            self._loaded_upto = offset

    @property
    def active_bytes(self) -> int | None:
        """Size of the segment that is written to; ``None`` if there is none."""
        return None if self._active is None else self._active.size

    def look_after(self) -> None:
        """Go on with other files if somebody has deleted the lock or the segment written to.

        What is gone of what was written before is found to be gone when it is to be read.
        """
        if self._active is not None and os.fstat(self._active.fd).st_nlink == 0:
            self._active = None
        if os.fstat(self._lock_fd).st_nlink == 0:
            self.name, lock_fd = new_owner(self._folder)
            vanished, self._lock_fd = self._lock_fd, lock_fd
            os.close(vanished)
            self._active, self._is_folder_dirty = None, True

    def begin_segment(self) -> None:
        """What is written from now on goes to a segment of its own."""
        number = self._next_number
        path = segment_path(self._folder, self.name, number)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        segment = _Segment(number, path, 0, records=0, fd=os.open(path, flags, FILE_MODE))
        self._next_number += 1
        self._segments.append(segment)
        self._active = segment
        self._is_folder_dirty = True

    def write(self, encoded: Sequence[bytes]) -> int:
        """Append records to the active segment; return how many are in it, fewer on a full disk.

        After less than all, what comes next belongs into a new segment. Raises for none.
        """
        segment = self._active
        if segment is None:
            raise ValueError("write comes after begin_segment")
        data = b"".join(encoded)
        taken = written = 0
        try:
            written = os.pwrite(segment.fd, data, segment.size)
        finally:
            taken, whole = _whole(encoded, written)
            segment.size += whole
            segment.records += taken
            segment.is_dirty = segment.is_dirty or taken > 0
            self.pending += taken
            if taken < len(encoded):
                with contextlib.suppress(OSError):  # half a record at the end does no harm
                    os.ftruncate(segment.fd, segment.size)
                if segment.size:  # an empty one may be tried again
                    self._active = None
        if encoded and not taken:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return taken

    def sync(self) -> None:
        """Have the disk keep what was written, even if the machine loses its power."""
        for segment in self._segments:
            if segment.is_dirty:
                os.fdatasync(segment.fd)
                segment.is_dirty = False
            if segment is not self._active:
                _close(segment)
        if self._is_folder_dirty:
            sync_folder(self._folder)
            self._is_folder_dirty = False

    def read(self, max_events: int) -> list[tuple[Position, Record]]:
        """The oldest records that are not settled, of one segment; none if there are none."""
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

    def _load(self, segment: _Segment) -> None:
        """Read more of a segment: at least one record, unless no more are in it.

        A segment that cannot be read stays where it is, for another process to try.
        """
        most = LOAD_BYTES
        while not self._loaded and self._loaded_upto < segment.size:
            start = self._loaded_upto
            try:
                data = _read_bytes(segment, start, most)
            except OSError:
                self.lost += segment.records if self._are_mine else 0
                self._forget(segment)
                raise
            is_all = start + len(data) >= segment.size or len(data) < most
            decoded = decode(data, begins_at=start, is_all=is_all)
            self._loaded.extend(decoded.records)
            self._loaded_upto = segment.size if is_all else decoded.upto
            self.damaged += decoded.damaged
            most *= 4
        self._recount(segment)

    def _recount(self, segment: _Segment) -> None:
        """What was read of a segment tells how many records it has."""
        is_read = self._loaded_upto >= segment.size
        before = segment.records
        if is_read:
            segment.records = len(self._loaded)
        elif not self._are_mine:
            segment.records = len(self._loaded) + 1
        if self._are_mine:
            self.lost += max(0, before - segment.records)
        self.pending += segment.records - before

    def settle(self, upto: Position) -> None:
        """Be done with all records up to and with the one that ends at ``upto``."""
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

    def _drop(self, segment: _Segment) -> None:
        self._forget(segment)
        segment.path.unlink(missing_ok=True)

    def _forget(self, segment: _Segment) -> None:
        """The oldest segment is none of ours any more."""
        self._segments.popleft()
        self._loaded.clear()
        self._loaded_upto = 0
        self.pending -= segment.records
        if segment is self._active:
            self._active = None
        _close(segment)

    def end(self) -> None:
        """Let go; delete the lock's file too if nothing is left."""
        try:
            if not self.pending:
                for segment in list(self._segments):
                    self._drop(segment)
                owner_path(self._folder, self.name).unlink(missing_ok=True)
        finally:
            self.release()

    def release(self) -> None:
        """Let go of the files as they are, as by dying.

        In a forked child this closes the child's copies only: the lock stays the parent's.
        """
        for segment in self._segments:
            _close(segment)
        fd, self._lock_fd = self._lock_fd, -1
        if fd >= 0:
            os.close(fd)


def _whole(encoded: Sequence[bytes], written: int) -> tuple[int, int]:
    """How many of ``encoded`` are within their first ``written`` bytes, and the bytes of those."""
    count = size = 0
    for one in encoded:
        if size + len(one) > written:
            break
        count, size = count + 1, size + len(one)
    return count, size


def _read_bytes(segment: _Segment, start: int, most: int) -> bytes:
    """Bytes of a segment from ``start`` on; none if somebody has deleted it."""
    try:
        with segment.path.open("rb") as file:
            file.seek(start)
            return file.read(min(most, segment.size - start))
    except FileNotFoundError:
        return b""


def _close(segment: _Segment) -> None:
    # Forgotten first: a fork in between must not make the child close somebody else's file.
    fd, segment.fd = segment.fd, -1
    if fd >= 0:
        os.close(fd)
