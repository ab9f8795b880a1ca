"""Sorts more data than fit into memory: sorted runs in temporary files, merged while they are read."""

import heapq
import tempfile
from collections.abc import Iterator
from types import TracebackType
from typing import BinaryIO, Final, Self

KEEP_BYTES: Final = 64 << 20
"""Keys and rows of this size, and as much again for objects, are sorted in memory."""
_ENTRY_BYTES: Final = 120
_LENGTH: Final = 4


class SpillingSort:
    """Sorts pairs of key and row, both bytes; a context manager.

    Args:
        keep_bytes: Bytes that may be in memory before a run is written.
    """

    def __init__(self, keep_bytes: int = KEEP_BYTES) -> None:
        self._keep_bytes, self._bytes = keep_bytes, 0
        self._entries: list[tuple[bytes, bytes]] = []
        self._runs: list[BinaryIO] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for run in self._runs:
            run.close()

    def add(self, key: bytes, row: bytes) -> None:
        """Add one pair.

        Raises:
            OSError: The temporary folder cannot be written.
        """
        self._entries.append((key, row))
        self._bytes += len(key) + len(row) + _ENTRY_BYTES
        if self._bytes > self._keep_bytes:
            self._spill()

    def __iter__(self) -> Iterator[tuple[bytes, bytes]]:
        """Yield all pairs by key, then row; call it once, after the last pair was added."""
        self._entries.sort()
        return heapq.merge(*(_read(run) for run in self._runs), self._entries)

    def _spill(self) -> None:
        self._entries.sort()
        run = tempfile.TemporaryFile(prefix="gnomon-sort-")  # noqa: SIM115  closed with the sort
        self._runs.append(run)
        for entry in self._entries:
            for part in entry:
                run.write(len(part).to_bytes(_LENGTH, "big"))
                run.write(part)
        run.seek(0)
        self._entries, self._bytes = [], 0


def _read(run: BinaryIO) -> Iterator[tuple[bytes, bytes]]:
    while length := run.read(_LENGTH):
        key = run.read(int.from_bytes(length, "big"))
        yield key, run.read(int.from_bytes(run.read(_LENGTH), "big"))
