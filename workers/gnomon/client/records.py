"""The encoded event, and a place in a spool of them: the two values that delivery and spool share."""

from typing import NamedTuple


class Record(NamedTuple):
    """One encoded event and the key that decides its partition."""

    key: bytes
    value: bytes


class Position(NamedTuple):
    """The place just behind one record of a spool: the name of its file, and an offset in bytes."""

    file: str
    end: int
