"""One file of a spool, which holds records one behind the other."""

import contextlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from gnomon.client.spool.folder import FILE_MODE, segment_path


@dataclass(slots=True, eq=False)
class Segment:
    """One file.

    Attributes:
        number: Its place among the segments of its process.
        path: Its path.
        size: Bytes of whole records in it.
        records: How many of its records are not settled. A dead process's segment counts as one
            more while it is not read to its end.
        fd: File descriptor for writing, or -1.
        is_dirty: Whether it has records that are not synced.
    """

    number: int
    path: Path
    size: int
    records: int
    fd: int = -1
    is_dirty: bool = False

    @classmethod
    def create(cls, folder: Path, name: str, number: int) -> Self:
        """Create an empty segment for writing.

        Raises:
            OSError: The disk refuses, or the file exists.
        """
        path = segment_path(folder, name, number)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        return cls(number, path, 0, records=0, fd=os.open(path, flags, FILE_MODE))

    def write(self, encoded: Sequence[bytes]) -> int:
        """Append records; return how many are in the file, fewer than given on a full disk."""
        taken = written = 0
        try:
            written = os.pwrite(self.fd, b"".join(encoded), self.size)
        finally:
            taken, size = _whole_records(encoded, written)
            self.size += size
            self.records += taken
            self.is_dirty = self.is_dirty or taken > 0
            if taken < len(encoded):
                with contextlib.suppress(OSError):  # half a record at the end does no harm
                    os.ftruncate(self.fd, self.size)
        return taken

    def read(self, start: int, most: int) -> bytes:
        """Return up to ``most`` bytes from offset ``start``; none if the file was deleted."""
        try:
            with self.path.open("rb") as file:
                file.seek(start)
                return file.read(min(most, self.size - start))
        except FileNotFoundError:
            return b""

    def sync(self) -> None:
        """Sync what was written to the disk."""
        if self.is_dirty:
            os.fdatasync(self.fd)
            self.is_dirty = False

    def close(self) -> None:
        """Close the file, if it is open for writing."""
        # Forgotten first: after a fork in between, the child must not close another file by it.
        fd, self.fd = self.fd, -1
        if fd >= 0:
            os.close(fd)


def _whole_records(encoded: Sequence[bytes], written: int) -> tuple[int, int]:
    """Return how many of ``encoded`` are within the first ``written`` bytes, and their size."""
    count = size = 0
    for record in encoded:
        if size + len(record) > written:
            break
        count, size = count + 1, size + len(record)
    return count, size
