"""Packed records and rows against the lists that they stand for: lengths, indexes, slices, sums."""

from typing import Any

from tests.fuzz.checks.bytestream import ByteStream
from tests.unit.features.support import T0, started

from gnomon import codec
from gnomon.features import FeaturesConfig, FeaturesState, fold, implementation
from gnomon.runtime.kafka.compiled import batch_reader, batch_writer

WORDS = (b"\x00", b"\x01", b"\x7f", b"\x80", b"\xff")


def seeds() -> list[bytes]:
    """Batches of none to some records, and indexes within and outside."""
    return [b"\x00\x00\x00\x03", b"\x05\x03\x01\x02\xff\x80\x04", bytes(range(24)), b"\xff" * 12]


def check(data: bytes) -> None:
    """Do what ``data`` says to both and compare after each step."""
    stream = ByteStream(data)
    records = _fetched(stream, 0)
    as_list = [*records]
    while stream:
        if stream.number() & 1 and len(as_list) < 2_000:
            more = _fetched(stream, len(as_list))
            as_list += [*more]
            records += more
        _compare(records, as_list, stream, _facts)
    rows = _rows(records)
    _compare(rows, [*rows], stream, lambda row: row)


def _compare(packed: Any, as_list: list[Any], stream: ByteStream, facts: Any) -> None:
    start, stop, step = (stream.number() - 128 for _ in range(3))
    assert len(packed) == len(as_list)
    assert [*map(facts, packed)] == [*map(facts, as_list)]
    assert [facts(each) for each in reversed(packed)] == [*map(facts, as_list)][::-1]
    if hasattr(packed, "topic"):
        part = packed[start : stop : step or 1]
        assert [*map(facts, part)] == [*map(facts, as_list[start : stop : step or 1])]
    answers = []
    for sequence in (packed, as_list):
        try:
            answers.append(facts(sequence[start]))
        except IndexError:
            answers.append(IndexError)
    assert answers[0] == answers[1]


def _facts(record: Any) -> tuple[object, ...]:
    return record.topic, record.partition, record.offset, record.key, record.value, record.headers


def _fetched(stream: ByteStream, base: int) -> Any:
    batch = batch_writer.RecordBatch(1_000_000)
    for i in range(stream.number() % 64):
        key = stream.block() if i % 5 == 0 else None
        event = started(f"t{base + i}", T0 + i, agent=f"a{i % 7}")
        batch.take(key, codec.encode(event) if i % 4 else None, [("h", key)] if i % 9 == 0 else [])
    frame = bytearray(batch.build(1, 0, 0))
    frame[:8] = base.to_bytes(8, "big")
    return batch_reader.Reader(bytes(frame), "t", 3, base).take(batch.count)


def _rows(records: Any) -> Any:
    """What the fold writes of them."""
    outputs = fold(FeaturesState(implementation.Agent), records, config=FeaturesConfig())
    return outputs.by_topic.get("task-features", [])
