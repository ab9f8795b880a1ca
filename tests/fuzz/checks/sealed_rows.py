"""Hashes, ids, hours and JSON of sealed decisions, compiled and in Python: the same bytes, or both refuse the rows."""

from collections.abc import Callable, Sequence
from typing import Any

from tests.fuzz.checks.bytestream import ByteStream

from gnomon.compiled import load
from gnomon.events import SealedDecision
from gnomon.vault.decisions import python_published
from gnomon.vault.tamper.lists import (
    packed_ids,
    packed_row_ids,
    python_record_hashes,
    python_same_hour,
)

digest: Any = load("gnomon.vault.compiled.digest")
sealed_rows: Any = load("gnomon.vault.compiled.sealed_rows")
WORDS = (b"\x20" + b"0123456789abcdef" * 2, b'"', b"\\", b"\x7f", b"\xc3\xa9", b"\xff" * 8)
STATUSES: Any = ("matched", "expired", "cancelled", "unheard of")


def seeds() -> list[bytes]:
    """Rows with and without hexadecimal ids, with shared fields, with long ciphertexts, and none."""
    usual = b"\x00\x20" + b"0123456789abcdef" * 2 + b"\x01k" + b"\x07default"
    times = (1_800_000_000_000).to_bytes(8, "little") * 2
    row = usual + times + b"\x10\x00" + bytes(16)
    return [b"\x01", row * 3, row + b'\x02\x03a"b\x01k\x01s' + times + b"\x00\x03" + bytes(768)]


def check(data: bytes) -> None:
    """Make rows of ``data`` and compare what both ways make of them, with OpenSSL and without."""
    stream = ByteStream(data)
    by_hashlib = stream.number() & 1
    rows: list[SealedDecision] = []
    while stream and len(rows) < 100:
        rows.append(_row(stream))
    if by_hashlib:
        digest.use_hashlib()
    try:
        hashes = _result(sealed_rows.record_hashes, rows)
    finally:
        digest.use_openssl()
    assert hashes == _result(python_record_hashes, rows)
    assert sealed_rows.published(rows) == python_published(rows)
    assert sealed_rows.same_hour(rows) == python_same_hour(rows)
    assert packed_row_ids(rows) == packed_ids([row.decision_id for row in rows])


def _row(stream: ByteStream) -> SealedDecision:
    status = STATUSES[stream.number() % len(STATUSES)]
    name, key_id, scope = stream.text(), stream.text(), stream.text()
    started_at_ms, ended_at_ms = (
        int.from_bytes(stream.take(8).ljust(8, b"\x00"), "little", signed=True) for _ in range(2)
    )
    return SealedDecision(
        decision_id=name,
        key_id=key_id,
        sealed=stream.block(2),
        status=status,
        started_at_ms=started_at_ms,
        ended_at_ms=ended_at_ms,
        scope=scope,
    )


def _result(hashes: Callable[[Sequence[SealedDecision]], bytes], rows: Any) -> bytes | None:
    """What ``hashes`` returns; ``None`` if it refuses the rows."""
    try:
        return hashes(rows)
    except ValueError:
        return None
