"""A record batch to produce: the compiled writer against aiokafka's builder, byte for byte."""

from collections.abc import Sequence
from unittest.mock import patch

from aiokafka.record.default_records import DefaultRecordBatchBuilder
from tests.fuzz.checks.bytestream import ByteStream

from gnomon.runtime.kafka.compiled import batch_reader, batch_writer

Row = tuple[bytes | None, bytes | None, Sequence[tuple[str, bytes | None]], int]
"""Key, value, headers and timestamp in ms."""
WORDS = (b"\xff\xff", b"\x00\x00", b"\x01\x40", b"\x3f\x00", b"\x40\x00", b"\x00\x20")


def seeds() -> list[bytes]:
    """Rows with and without keys, values and headers; a limit that some of them exceed."""
    row = b"\x00\x03key\x05\x00value"
    return [
        b"\xff\x03" + row * 3,
        b"\x40\x00" + row * 20,
        b"\xff\x03\x01\x00\x00\x00\x02\x01h\x02vv\x00" + row,
        b"\xff\xff\x02" + b"\x00\xff" + b"k" * 255 + b"\x00\x01" + b"v" * 256,
    ]


def check(data: bytes) -> None:
    """Write the rows of ``data`` in both ways: the same ones fit, and the bytes are the same."""
    stream = ByteStream(data)
    limit_bytes = stream.number(2) + 61
    rows = _rows(stream)
    compiled = batch_writer.RecordBatch(limit_bytes)
    expected = DefaultRecordBatchBuilder(2, 0, 1, -1, -1, 0, limit_bytes)
    count = 0
    for key, value, headers, at_ms in rows:
        with patch.object(batch_writer, "time", lambda at_ms=at_ms: at_ms / 1000):
            taken = compiled.take(key, value, headers)
        assert taken == (expected.append(count, at_ms, key, value, list(headers)) is not None)
        count += taken
        assert (compiled.count, compiled.size_bytes) == (count, expected.size())
    expected.set_producer_state(1 << 40, 3, 5)
    built = compiled.build(1 << 40, 3, 5)
    # aiokafka takes the batch's greatest time for that of its last record: KIP-32 says it is the
    # greatest, as we write it.
    assert _without_times(built) == _without_times(expected.build())
    assert batch_reader.intact(built)
    filled = _filled(rows, limit_bytes)
    assert filled == _added(rows, limit_bytes)


def _without_times(batch: bytearray) -> bytes:
    return bytes(batch[:17] + batch[21:27] + batch[43:])


def _filled(rows: Sequence[Row], limit_bytes: int) -> tuple[int, bytes]:
    """Rows of one call: those that fit until the first that does not."""
    batch = batch_writer.RecordBatch(limit_bytes)
    with patch.object(batch_writer, "time", lambda: 1.5):
        at = batch.fill([(key, value) for key, value, _, _ in rows], 0)
    return at, bytes(batch.build(1, 2, 3))


def _added(rows: Sequence[Row], limit_bytes: int) -> tuple[int, bytes]:
    batch = DefaultRecordBatchBuilder(2, 0, 1, -1, -1, 0, limit_bytes)
    at = 0
    for key, value, _, _ in rows:
        if batch.append(at, 1_500, key, value, []) is None:
            break
        at += 1
    batch.set_producer_state(1, 2, 3)
    return at, bytes(batch.build())


def _rows(stream: ByteStream) -> list[Row]:
    rows: list[Row] = []
    at_ms = 1_750_000_000_000
    while stream and len(rows) < 99:
        flags = stream.number()
        key = None if flags & 1 else stream.block()
        value = None if flags & 2 else stream.block(2)
        at_ms += (flags >> 4) ** 9 * (-1 if flags & 8 else 1)
        count = stream.number() % 4 if flags & 4 else 0
        headers = [(stream.text(), stream.block() if i % 2 else None) for i in range(count)]
        rows.append((key, value, headers, at_ms))
    return rows
