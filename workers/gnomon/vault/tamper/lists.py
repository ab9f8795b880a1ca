"""Lists of record hashes: what one transaction adds to the tree of one partition and hour."""

import struct
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

import msgspec

from gnomon.compiled import load
from gnomon.events import SealedDecision
from gnomon.vault.tamper.tree import HASH_BYTES, leaf_hash

HOUR_MS: Final = 3_600_000
_VERSION: Final = 1
_RECORD: Final = struct.Struct(">BBqqHHH")
_LIST: Final = struct.Struct(">BqqIQII")
_STATUS: Final = {"matched": 1, "expired": 2, "cancelled": 3}
_DROPPED: Final = b"dropped"
_REMOVES: Final = b"-"
"""Before the packed ids of a list of records that a command removes."""
_HEX: Final = b"h"
"""First byte of packed hexadecimal ids; no list begins with it in MessagePack."""
_HEX_DIGITS: Final = 32
_sealed_rows: Final = load("gnomon.vault.compiled.sealed_rows")
_encode_ids = msgspec.msgpack.Encoder().encode
_decode_ids = msgspec.msgpack.Decoder(list[str]).decode


def hour_of(ended_at_ms: int) -> int:
    """Return the hour of a decision's end, in hours since 1970 (UTC)."""
    return ended_at_ms // HOUR_MS


def same_hour(rows: Sequence[SealedDecision]) -> int | None:
    """Return the hour of the ends of all ``rows``; None if there are several hours, or no rows."""
    if _sealed_rows is not None:
        hour: int | None = _sealed_rows.same_hour(rows)
        return hour
    return python_same_hour(rows)


def python_same_hour(rows: Sequence[SealedDecision]) -> int | None:
    """Return what ``same_hour`` does where nothing was compiled."""
    hours = {hour_of(row.ended_at_ms) for row in rows}
    return hours.pop() if len(hours) == 1 else None


def record_hash(row: SealedDecision) -> bytes:
    """Return the hash of a stored decision: of its ciphertext and of all that stands beside it.

    Raises:
        ValueError: A field has another form than any that gnomon writes.
    """
    return record_hashes((row,))


def hash_of_any(row: SealedDecision) -> bytes:
    """Return the hash of a row; of one that gnomon cannot have stored, a hash that no record has."""
    try:
        return record_hash(row)
    except ValueError:
        return bytes(HASH_BYTES)


def record_hashes(rows: Sequence[SealedDecision]) -> bytes:
    """Return the hashes of many records, joined: ``record_hash`` of each, in less time.

    Raises:
        ValueError: A field has another form than any that gnomon writes.
    """
    if _sealed_rows is not None:
        joined: bytes = _sealed_rows.record_hashes(rows)
        return joined
    return python_record_hashes(rows)


def python_record_hashes(rows: Sequence[SealedDecision]) -> bytes:
    """Return what ``record_hashes`` does where nothing was compiled; this defines the hashes."""
    pack, status = _RECORD.pack, _STATUS
    hashes = []
    key_id = scope = None
    beside, key_bytes, scope_bytes = b"", 0, 0
    try:
        for row in rows:
            if (
                row.key_id != key_id or row.scope != scope
            ):  # nearly all rows of a batch have the same
                key_id, scope = row.key_id, row.scope
                key, of_scope = key_id.encode(), scope.encode()
                beside, key_bytes, scope_bytes = key + of_scope, len(key), len(of_scope)
            name = row.decision_id.encode()
            head = pack(
                _VERSION,
                status[row.status],
                row.started_at_ms,
                row.ended_at_ms,
                len(name),
                key_bytes,
                scope_bytes,
            )
            hashes.append(sha256(head + name + beside + row.sealed).digest())
    except (KeyError, struct.error) as error:
        raise ValueError("no decision has such fields") from error
    return b"".join(hashes)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordList:
    """Consecutive records of one partition and hour; one leaf of that hour's tree.

    Attributes:
        partition: Partition of ``comparisons``; -1 for what commands store.
        hour: Hour of the decisions' ends, in hours since 1970.
        number: Number of lists of the hour before it.
        position: Number of records of the hour before it.
        hashes: The hashes of the records in order, joined, 32 bytes each.
        ids: Their decision ids, as ``packed_ids`` returns them.
    """

    partition: int
    hour: int
    number: int
    position: int
    hashes: bytes
    ids: bytes

    @property
    def records(self) -> int:
        """Number of records."""
        return len(self.hashes) // HASH_BYTES

    @property
    def drops(self) -> bool:
        """Whether it says that retention has removed all records before it."""
        return self.ids == _DROPPED

    @property
    def removes(self) -> bool:
        """Whether it says that a command removes its records, which had these hashes."""
        return self.ids[:1] == _REMOVES

    def leaf(self) -> bytes:
        """Return the hash of this leaf of the tree, 32 bytes."""
        head = _LIST.pack(
            _VERSION,
            self.partition,
            self.hour,
            self.number,
            self.position,
            len(self.hashes),
            len(self.ids),
        )
        return leaf_hash(b"".join((head, self.hashes, self.ids)))

    def pairs(self) -> list[tuple[str, bytes]]:
        """Return each record's id and hash.

        Raises:
            ValueError: The list is malformed.
        """
        if self.drops:
            return []
        hashes = self.hashes
        ids = unpacked_ids(self.ids[1:] if self.removes else self.ids)
        if len(ids) * HASH_BYTES != len(hashes):
            raise ValueError("as many ids as hashes were expected")
        parts = range(0, len(hashes), HASH_BYTES)
        return [(name, hashes[at : at + HASH_BYTES]) for name, at in zip(ids, parts, strict=True)]


def packed_removal(ids: Sequence[str]) -> bytes:
    """Return ids as a list has them that says that its records are removed."""
    return _REMOVES + packed_ids(ids)


def packed_row_ids(rows: Sequence[SealedDecision]) -> bytes:
    """Return the decision ids of rows as ``packed_ids`` packs them, in less time."""
    packed = None if _sealed_rows is None else _sealed_rows.hex_ids(rows)
    if rows and packed is not None:
        return _HEX + bytes(packed)
    return packed_ids([row.decision_id for row in rows])


def packed_ids(ids: Sequence[str]) -> bytes:
    """Return ids as bytes: 16 each if all are hexadecimal digits as gnomon makes them, else MessagePack."""
    joined = "".join(ids)
    if set(map(len, ids)) == {_HEX_DIGITS}:
        with suppress(ValueError):
            packed = bytes.fromhex(joined)
            if packed.hex() == joined:
                return _HEX + packed
    return _encode_ids(ids)


def unpacked_ids(packed: bytes) -> list[str]:
    """Return what ``packed_ids`` packed.

    Raises:
        ValueError: ``packed`` is something else.
    """
    if packed[:1] == _HEX and len(packed) % (_HEX_DIGITS // 2) == 1:
        joined = packed[1:].hex()
        return [joined[at : at + _HEX_DIGITS] for at in range(0, len(joined), _HEX_DIGITS)]
    try:
        return _decode_ids(packed)
    except msgspec.DecodeError as error:
        raise ValueError("not a list of ids") from error


def dropping(*, partition: int, hour: int, number: int, position: int) -> RecordList:
    """Return the list that says that all records of the hour before it were removed by retention."""
    return RecordList(
        partition=partition, hour=hour, number=number, position=position, hashes=b"", ids=_DROPPED
    )
