"""Describes what was judged: a file, or a topic."""

import hashlib
from typing import Final

import msgspec

_OFFSET: Final = b'"offset"'


class _Position(msgspec.Struct, frozen=True):
    """The place of a record in its topic, which an export may contain beside the comparison's fields."""

    partition: int | None = None
    offset: int | None = None


class Source:
    """A file or a topic of comparisons, read line by line.

    Attributes:
        name: What was read, for the report, such as ``file comparisons.jsonl``.
        note: A sentence about it, for the report; may be empty.
        lines: Number of lines that are not empty.
        offsets: The first and the last offset by partition, if the lines have ``partition`` and
            ``offset``.
    """

    def __init__(self, name: str, *, note: str = "") -> None:
        self.name, self.note = name, note
        self.lines = self.size_bytes = 0
        self.offsets: dict[int, tuple[int, int]] = {}
        self._hash = hashlib.sha256()
        self._position = msgspec.json.Decoder(_Position)

    @property
    def sha256(self) -> str:
        """Return the SHA-256 of all lines, which is that of the file."""
        return self._hash.hexdigest()

    def add(self, line: bytes) -> None:
        """Add the next line, which is a comparison or empty."""
        self._hash.update(line)
        self.size_bytes += len(line)
        self.lines += not line.isspace()
        if _OFFSET not in line:
            return
        try:
            at = self._position.decode(line)
        except msgspec.DecodeError:
            return  # a field of this name that is no number is not a position
        if at.partition is not None and at.offset is not None:
            first, last = self.offsets.get(at.partition, (at.offset, at.offset))
            self.offsets[at.partition] = min(first, at.offset), max(last, at.offset)
