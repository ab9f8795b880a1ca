r"""The byte format of a spool: its records, and the position up to which all are settled.

Every number is big-endian. Version 1 is::

    record    ff 67 73 01 | crc32 (4) | key bytes (4) | value bytes (4) | key | value
    position  ff 67 70 01 | crc32 (4) | segment (4) | offset (8)

The fourth byte is the version. The CRC-32 (of ISO 3309, as in gzip) covers everything behind it. A
segment is a sequence of records, without a header. Keys and values are UTF-8, in which ``ff`` never
occurs, so the beginning of a record is never found inside another one.
"""

import struct
import zlib
from typing import Final, NamedTuple

from gnomon.client.records import Record

RECORD_MAGIC: Final = b"\xffgs\x01"
POSITION_MAGIC: Final = b"\xffgp\x01"
_HEAD: Final = struct.Struct(">4sIII")
_LENGTHS: Final = struct.Struct(">II")
_POSITION: Final = struct.Struct(">4sIIQ")
_POSITION_BODY: Final = struct.Struct(">IQ")
_CHECKED_FROM: Final = 8


class Decoded(NamedTuple):
    """The content of some bytes of a segment.

    Attributes:
        records: Each record with the offset of its end.
        upto: The offset from which to go on.
        damaged: How many places hold bytes that make no record.
    """

    records: list[tuple[int, Record]]
    upto: int
    damaged: int


def encode(record: Record) -> bytes:
    """Return the bytes of ``record`` in a segment."""
    key, value = record
    body = _LENGTHS.pack(len(key), len(value)) + key + value
    return RECORD_MAGIC + zlib.crc32(body).to_bytes(4, "big") + body


def decode(data: bytes, *, begins_at: int = 0, is_all: bool = True) -> Decoded:
    """Return every whole record in ``data``, the bytes of a segment from ``begins_at`` on.

    Behind bytes that make no record the search goes on at the next possible beginning of one, so
    damage costs only the records it is in. A record that is cut off at the end of ``data`` is no
    damage: it goes on behind ``data`` or, if ``data`` ``is_all``, its process died while writing.
    """
    records: list[tuple[int, Record]] = []
    damaged, offset, end = 0, 0, len(data)
    is_sound = True
    while offset < end:
        if (found := _record_at(data, offset)) is not None:
            offset, record = found
            records.append((begins_at + offset, record))
            is_sound = True
            continue
        is_cut = _is_cut(data, offset)
        if is_cut and not is_all:
            break
        following = data.find(RECORD_MAGIC, offset + 1)
        damaged += is_sound and (following >= 0 or not is_cut)
        is_sound = False
        if following < 0:
            # The first bytes of the next record may be the last of these.
            offset = end if is_all else max(offset, end - len(RECORD_MAGIC)) + 1
            break
        offset = following
    return Decoded(records, begins_at + offset, damaged)


def _record_at(data: bytes, offset: int) -> tuple[int, Record] | None:
    """Return the record that begins at ``offset``, behind the offset of its end, or ``None``."""
    if len(data) - offset < _HEAD.size:
        return None
    magic, crc, key_bytes, value_bytes = _HEAD.unpack_from(data, offset)
    key_at = offset + _HEAD.size
    value_at = key_at + key_bytes
    end = value_at + value_bytes
    if magic != RECORD_MAGIC or end > len(data):
        return None
    if zlib.crc32(memoryview(data)[offset + _CHECKED_FROM : end]) != crc:
        return None
    return end, Record(data[key_at:value_at], data[value_at:end])


def _is_cut(data: bytes, offset: int) -> bool:
    """Return whether the bytes from ``offset`` on are an incomplete record."""
    rest = len(data) - offset
    if rest < _HEAD.size:
        return data[offset : offset + len(RECORD_MAGIC)] == RECORD_MAGIC[:rest]
    magic, _, key_bytes, value_bytes = _HEAD.unpack_from(data, offset)
    return bool(magic == RECORD_MAGIC and _HEAD.size + key_bytes + value_bytes > rest)


def encode_position(segment: int, offset: int) -> bytes:
    """Return the bytes of a position: all records before ``offset`` of ``segment`` are settled."""
    body = _POSITION_BODY.pack(segment, offset)
    return POSITION_MAGIC + zlib.crc32(body).to_bytes(4, "big") + body


def decode_position(data: bytes) -> tuple[int, int]:
    """Return segment and offset of a position; ``(0, 0)`` if ``data`` is none."""
    if len(data) < _POSITION.size:
        return 0, 0
    magic, crc, segment, offset = _POSITION.unpack_from(data)
    if magic != POSITION_MAGIC or zlib.crc32(data[_CHECKED_FROM : _POSITION.size]) != crc:
        return 0, 0
    return segment, offset
