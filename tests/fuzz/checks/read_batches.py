"""A fetched log: the compiled reader of record batches against aiokafka's.

The first byte says what is asked (checksums made right, isolation, the offset to start at), the rest
is the log.
"""

import zlib
from collections.abc import Iterator
from typing import Any
from unittest.mock import patch

from aiokafka.consumer import fetcher
from aiokafka.record.default_records import DefaultRecordBatch, DefaultRecordBatchBuilder
from aiokafka.record.legacy_records import LegacyRecordBatchBuilder
from aiokafka.record.util import calc_crc32c
from aiokafka.structs import TopicPartition

from gnomon.runtime.kafka import compiled, fetched_records
from gnomon.runtime.kafka.compiled import batch_reader

TP = TopicPartition("t", 3)
GUARD = b"\xff" * 16
"""Follows each batch that aiokafka reads: no number ends with these bytes."""
T0 = 1_750_000_000_000
KEEP_CHECKSUMS, READ_UNCOMMITTED = 0x80, 0x40
CODECS = range(5)
HEADER_BYTES = 61
CONTROL, APPENDED = 0x20, 0x08
WORDS = (
    b"\xff" * 9 + b"\x01", b"\x80" * 10, b"\x80\x00", b"\xff\xff\xff\xff\x0f", b"\x01", b"\x03",
    b"\x7f\xff\xff\xff", b"\xff\xff\xff\xff", b"\x80\x00\x00\x00", b"\x00\x00\x00\x00",
    b"\x00\x00\x00\x31", b"\x02\x00\x00\x00",
)  # fmt: skip


def seeds() -> list[bytes]:
    """Batches of every magic and codec, control and empty ones, as aiokafka writes them."""
    plain = _batch(0)
    parts = [plain, _batch(6, transactional=True), _control(12, 0), _batch(13), _control(19, 1)]
    parts += [_old(0), _old(1), _old(1, gzip=True)]
    parts += [_batch(0, attributes=APPENDED), _batch(0, count=0)]
    parts += [_batch(0, attributes=codec) for codec in CODECS]
    parts += [_batch(0, codec=1), plain + _batch(6, codec=1), plain[:-1], plain[:40], b""]
    return [b"\x00" + part for part in parts] + [b"\x04" + b"".join(parts[:5])]


def _batch(
    base: int, count: int = 6, *, codec: int = 0, transactional: bool = False, attributes: int = 0
) -> bytes:
    builder = DefaultRecordBatchBuilder(2, codec, transactional, 7, 0, 0, 100_000)
    for i in range(count):
        headers: list[tuple[str, bytes | None]] = [("why", b"x"), ("é", None)] if i == 2 else []
        key, value = (None, b"k")[i != 1], (None, b"%d" % i)[i != 3]
        builder.append(i, T0 + i * i, key, value, headers)
    data = bytearray(builder.build())
    data[:8] = base.to_bytes(8, "big")
    data[22] |= attributes
    return bytes(data)


def _control(base: int, kind: int) -> bytes:
    builder = DefaultRecordBatchBuilder(2, 0, 1, 7, 0, 0, 1_000)
    builder.append(0, T0, b"\0\0" + kind.to_bytes(2, "big"), b"", [])
    data = bytearray(builder.build())
    data[:8] = base.to_bytes(8, "big")
    data[22] |= CONTROL
    return bytes(data)


def _old(magic: int, *, gzip: bool = False) -> bytes:
    builder = LegacyRecordBatchBuilder(magic, int(gzip), 100_000)
    for i in range(3):
        builder.append(i, T0 + i, b"k", b"%d" % i)
    return bytes(builder.build())


def with_checksums(log: bytes) -> bytes:
    """The log with the checksum of each batch made right, as far as batches can be told apart."""
    data, at = bytearray(log), 0
    while at + 17 <= len(data):
        end = at + 12 + int.from_bytes(data[at + 8 : at + 12], "big", signed=True)
        if not at + 17 < end <= len(data):
            break
        # A batch shorter than its header must not pass: aiokafka would read what lies behind it.
        if data[at + 16] >= 2 and end - at >= HEADER_BYTES:
            data[at + 17 : at + 21] = calc_crc32c(data[at + 21 : end]).to_bytes(4, "big")
        elif data[at + 16] < 2:
            data[at + 12 : at + 16] = zlib.crc32(data[at + 16 : end]).to_bytes(4, "big")
        at = end
    return bytes(data)


class _GuardedBatches(fetched_records._FramedBatches):
    """Batches that aiokafka cannot read past their ends: it does not check the last byte of a number."""

    def next_batch(self) -> Any:
        batch = super().next_batch()
        if not isinstance(batch, DefaultRecordBatch):
            return batch
        return DefaultRecordBatch(memoryview(bytes(self.frame) + GUARD)[: len(self.frame)])


def check(data: bytes) -> None:
    """Read the log in both ways: the same records and positions, or both refuse it."""
    how = data[0] if data else 0
    log = data[1:] if how & KEEP_CHECKSUMS else with_checksums(data[1:])
    isolation, start = int(not how & READ_UNCOMMITTED), how & 0x1F
    with patch.object(compiled, "batch_reader", None):
        expected = [*_read(_GuardedBatches(log), start, isolation)]
    got = [*_read(fetched_records._FramedBatches(log), start, isolation)]
    assert got == expected, (got, expected)
    batch_reader.intact(log)


def _read(batches: fetched_records._FramedBatches, start: int, isolation: int) -> Iterator[object]:
    """What each request for three records answers, until the end or an error."""
    own = fetcher.PartitionRecords, fetcher.FetchResult, fetcher.MemoryRecords
    try:
        fetched_records.install()
        records = fetched_records._PartitionRecords(
            TP,
            batches,
            [(7, 6)],
            start,
            None,
            None,
            check_crcs=True,
            isolation_level=isolation,
        )
        for _ in range(64):
            run = records.run(3)
            yield (
                [(r.offset, r.timestamp, r.key, r.value, [*r.headers]) for r in run],
                records.next_fetch_offset,
            )
            if len(run) < 3:
                break
    except Exception:  # whatever aiokafka's parser raises is its refusal
        yield "refused"
    finally:
        fetcher.PartitionRecords, fetcher.FetchResult, fetcher.MemoryRecords = own
