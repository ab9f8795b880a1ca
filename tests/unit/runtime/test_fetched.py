"""A fetched record says what aiokafka's own says."""

from collections.abc import Iterator
from typing import Any

import pytest
from aiokafka.consumer import fetcher
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.structs import TopicPartition

from gnomon.runtime import fetched

FIELDS = ("topic", "partition", "offset", "timestamp", "key", "value")
OWN = fetcher.PartitionRecords


@pytest.fixture
def installed() -> Iterator[None]:
    fetched.install()
    yield
    fetcher.PartitionRecords = OWN


def batch() -> bytes:
    builder = DefaultRecordBatchBuilder(2, 0, 0, -1, -1, -1, 100_000)
    rows: list[tuple[Any, Any, Any]] = [
        (b"a", b"1", []),
        (None, b"2", [("why", b"x"), ("where", b"y")]),
        (b"c", None, []),
    ]
    for offset, (key, value, headers) in enumerate(rows):
        builder.append(offset, 1_750_000_000_000 + offset, key, value, headers)
    return bytes(builder.build())


def read(data: bytes, *, start: int) -> list[Any]:
    return list(
        fetcher.PartitionRecords(
            TopicPartition("t", 3),
            MemoryRecords(data),
            [],
            start,
            None,
            None,
            check_crcs=True,
            isolation_level=1,
        )
    )


@pytest.mark.parametrize("start", [0, 2])
@pytest.mark.usefixtures("installed")
def test_it_says_what_aiokafkas_own_says(start: int) -> None:
    got = read(batch(), start=start)
    fetcher.PartitionRecords = OWN
    expected = read(batch(), start=start)

    assert [type(record) for record in got] == [fetched.FetchedRecord] * (3 - start)
    assert [[getattr(r, f) for f in FIELDS] for r in got] == [
        [getattr(r, f) for f in FIELDS] for r in expected
    ]
    assert [list(r.headers) for r in got] == [list(r.headers) for r in expected]
