r"""The bytes of a spool: records that each stand alone, and the position up to which all is settled.

Every number is big-endian. Version 1 is::

    record    ff 67 73 01 | crc32 (4) | key bytes (4) | value bytes (4) | key | value
    position  ff 67 70 01 | crc32 (4) | segment (4) | offset (8)

The last byte of the first four is the version; the CRC-32 (of ISO 3309, as in gzip) is of all that
follows it. A segment is records one after the other, with no header of its own. ``ff`` is in no
UTF-8 text, and keys and values are that, so no record's beginning is found inside another one.
"""

import struct
import zlib
from typing import Final, NamedTuple

from gnomon.client.delivery.buffer import Record

RECORD_MAGIC: Final = b"\xffgs\x01"
POSITION_MAGIC: Final = b"\xffgp\x01"
_HEAD: Final = struct.Struct(">4sIII")
_LENGTHS: Final = struct.Struct(">II")
_POSITION: Final = struct.Struct(">4sIIQ")
_PLACE: Final = struct.Struct(">IQ")
_CHECKED_FROM: Final = 8


class Decoded(NamedTuple):
    """What is in some bytes of a segment.

    ``records`` are with the offset of their end; ``upto`` is the offset from which to go on.
    ``damaged`` counts the places where bytes make no record.
    """

    records: list[tuple[int, Record]]
    upto: int
    damaged: int


def encode(record: Record) -> bytes:
    """``record`` as it lies in a segment."""
    key, value = record
    body = _LENGTHS.pack(len(key), len(value)) + key + value
    return RECORD_MAGIC + zlib.crc32(body).to_bytes(4, "big") + body


def decode(data: bytes, *, begins_at: int = 0, is_all: bool = True) -> Decoded:
    """Every whole record in ``data``, a segment's bytes from offset ``begins_at`` on.

    Where bytes make no record the search goes on at the next that could begin one, so damage costs
    the records it is in and no other. A record that ``data`` ends in the middle of is no damage: it
    goes on behind ``data``, or if that ``is_all`` a process died as it wrote it.
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
    """The record that begins at ``offset`` with the offset of its end, if there is one."""
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
    """Whether the bytes from ``offset`` on are the beginning of a record, and not all of it."""
    rest = len(data) - offset
    if rest < _HEAD.size:
        return data[offset : offset + len(RECORD_MAGIC)] == RECORD_MAGIC[:rest]
    magic, _, key_bytes, value_bytes = _HEAD.unpack_from(data, offset)
    return bool(magic == RECORD_MAGIC and _HEAD.size + key_bytes + value_bytes > rest)


def encode_position(segment: int, offset: int) -> bytes:
    """Everything before ``offset`` of ``segment`` is settled."""
    place = _PLACE.pack(segment, offset)
    return POSITION_MAGIC + zlib.crc32(place).to_bytes(4, "big") + place


def decode_position(data: bytes) -> tuple[int, int]:
    """Segment and offset; the very beginning where ``data`` is no position."""
    if len(data) < _POSITION.size:
        return 0, 0
    magic, crc, segment, offset = _POSITION.unpack_from(data)
    if magic != POSITION_MAGIC or zlib.crc32(data[_CHECKED_FROM : _POSITION.size]) != crc:
        return 0, 0
    return segment, offset
