"""Fetched records, and the position after them, equal aiokafka's own."""

import gc
import weakref
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pytest
from aiokafka.consumer import fetcher
from aiokafka.errors import CorruptRecordException
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.legacy_records import LegacyRecordBatchBuilder
from aiokafka.record.util import calc_crc32c
from aiokafka.structs import TopicPartition
from hypothesis import example, given
from hypothesis import strategies as st

from gnomon.runtime.kafka import compiled, fetched_records
from gnomon.runtime.kafka.compiled import batch_reader

FIELDS = ("topic", "partition", "offset", "timestamp", "key", "value")
OWN = fetcher.PartitionRecords, fetcher.FetchResult, fetcher.MemoryRecords
TP = TopicPartition("t", 3)
CONTROL = 0x20
APPENDED = 0x08  # timestamps are of the append, by the broker
T0 = 1_750_000_000_000


@pytest.fixture(scope="module", autouse=True, params=["compiled", "python"])
def _form(request: pytest.FixtureRequest) -> Iterator[None]:
    if request.param == "compiled" and not batch_reader:
        pytest.skip(
            "gnomon.runtime.kafka.compiled.batch_reader was not compiled here: pip install says why"
        )
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "python":
            patch.setattr(compiled, "batch_reader", None)
        yield
    fetcher.PartitionRecords, fetcher.FetchResult, fetcher.MemoryRecords = OWN


@dataclass(frozen=True)
class Part:
    """One batch of a log: plain, transactional, or the marker that ends a transaction."""

    kind: Literal["plain", "appended", "transactional", "commit", "abort", "corrupt", "old"]
    producer: int = 7
    count: int = 3
    codec: int = 0

    @property
    def length(self) -> int:
        return 1 if self.kind in {"commit", "abort"} else self.count


def encoded(part: Part, base: int) -> bytes:
    """Encode it as it is in a log at offset ``base``."""
    if part.kind == "old":
        old = LegacyRecordBatchBuilder(1, part.codec, 100_000)
        for at in range(base, base + part.count):
            old.append(at, T0 + at, b"k", b"%d" % at)
        return bytes(old.build())
    control = part.kind in {"commit", "abort"}
    within = control or part.kind == "transactional"
    producer = part.producer if within else -1
    codec = 0 if control else part.codec
    builder = DefaultRecordBatchBuilder(2, codec, within, producer, 0, 0, 100_000)
    if control:
        builder.append(0, T0, (1 if part.kind == "commit" else 0).to_bytes(4, "big"), b"", [])
    else:
        for i in range(part.count):
            key = None if i == 1 else b"k%d" % i
            headers = [("why", b"x"), ("where", b"y")] if i == 2 else []
            value = None if i == 3 else b"%d" % (base + i)
            builder.append(i, T0 + base + i, key, value, headers)
    data = bytearray(builder.build())
    data[:8] = base.to_bytes(8, "big")
    if control or part.kind == "appended":
        data[22] |= CONTROL if control else APPENDED
        data[17:21] = calc_crc32c(data[21:]).to_bytes(4, "big")
    if part.kind == "corrupt":
        data[-1] ^= 1
    return bytes(data)


def log(parts: Sequence[Part]) -> tuple[bytes, list[tuple[int, int]]]:
    """The bytes of a log, and the aborted transactions in it."""
    data, at = b"", 0
    began: dict[int, int] = {}
    aborted: list[tuple[int, int]] = []
    for part in parts:
        data += encoded(part, at)
        if part.kind == "transactional":
            began.setdefault(part.producer, at)
        elif part.kind in {"commit", "abort"}:
            first = began.pop(part.producer, None)
            if part.kind == "abort" and first is not None:
                aborted.append((part.producer, first))
        at += part.length
    return data, aborted


class _Partition:
    """The state of an assigned partition, as a fetch result uses it."""

    active = True
    paused = False

    def __init__(self, position: int) -> None:
        self.position = position

    def state_value(self, tp: TopicPartition) -> "_Partition":
        return self

    def consumed_to(self, position: int) -> None:
        self.position = position


def reader(parts: Sequence[Part], start: int = 0, isolation: int = 1) -> Any:
    data, aborted = log(parts)
    return fetcher.PartitionRecords(
        TP,
        fetcher.MemoryRecords(data),
        aborted,
        start,
        None,
        None,
        check_crcs=True,
        isolation_level=isolation,
    )


def fields_of(record: Any) -> list[Any]:
    return [getattr(record, field) for field in FIELDS] + [list(record.headers)]


def read(
    parts: Sequence[Part], start: int, wanted: Sequence[int | None], isolation: int
) -> list[object]:
    """Return each result of ``getone`` (0) or ``getall``, with the position after it."""
    records = reader(parts, start, isolation)
    partition, seen = _Partition(start), list[object]()
    result = fetcher.FetchResult(TP, assignment=partition, partition_records=records, backoff=0)
    for most in wanted:
        try:
            if most == 0:
                one = result.getone()
                seen.append(one and fields_of(one))
            else:
                seen.append([fields_of(record) for record in result.getall(most)])
        except CorruptRecordException as error:
            # The records are dropped, and fetched again from the position, which is unchanged.
            seen.append(str(error))
            seen.append(partition.position)
            break
        seen.append((partition.position, records.next_fetch_offset, result.has_more()))
        if not result.has_more():
            break  # an exhausted result is not used again
    return seen


def both(
    parts: Sequence[Part], start: int, wanted: Sequence[int | None], isolation: int = 1
) -> tuple[list[object], list[object]]:
    """Return the results of aiokafka's classes and of gnomon's."""
    fetcher.PartitionRecords, fetcher.FetchResult, fetcher.MemoryRecords = OWN
    own = read(parts, start, wanted, isolation)
    fetched_records.install()
    return own, read(parts, start, wanted, isolation)


CODECS = {"none": 0, "gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}
parts = st.builds(
    Part,
    st.sampled_from(["plain", "appended", "transactional", "commit", "abort", "corrupt"]),
    st.sampled_from([7, 8]),
    st.integers(1, 6),
    st.sampled_from(sorted(CODECS.values())),
)
# aiokafka reads no mixture of formats, and zstd is younger than the old one.
old = st.builds(
    Part,
    st.just("old"),
    count=st.integers(1, 6),
    codec=st.sampled_from([CODECS[name] for name in ("none", "gzip", "snappy", "lz4")]),
)
logs = st.lists(parts, min_size=1, max_size=8) | st.lists(old, min_size=1, max_size=3)
wanted = st.lists(st.none() | st.integers(0, 12), min_size=1, max_size=30)


@given(logs, st.integers(0, 12), wanted, st.sampled_from([0, 1]))
@example([Part("transactional", 7), Part("abort", 7), Part("plain")], 0, [2, 2, 2], 1)
@example([Part("transactional", 7), Part("transactional", 8), Part("abort", 7)], 0, [None], 1)
@example([Part("transactional", 7), Part("abort", 7)], 0, [None], 1)
@example([Part("plain"), Part("commit", 7)], 0, [3, 3], 1)
@example([Part("plain", count=6)], 4, [1, None], 1)
@example([Part("plain", count=3), Part("plain", count=3)], 3, [3, 3], 1)
@example([Part("old", count=6), Part("old")], 4, [0, 2, None], 0)
def test_results_and_positions_equal_aiokafkas(
    parts: list[Part], start: int, wanted: list[int | None], isolation: int
) -> None:
    own, got = both(parts, start, wanted, isolation)

    assert got == own


@pytest.mark.parametrize("codec", CODECS)
def test_a_batch_of_every_codec_is_read(codec: str) -> None:
    own, got = both([Part("plain", codec=CODECS[codec]), Part("plain")], 0, [None])

    assert got == own
    first, _ = own
    assert isinstance(first, list)
    assert [record[2] for record in first] == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("wanted", [[None], [2, 1, 3, 1], [3, 3], [0, 0, 0, 0]])
def test_a_corrupt_batch_raises_when_it_is_reached(wanted: list[int | None]) -> None:
    own, got = both([Part("plain"), Part("corrupt"), Part("plain")], 0, wanted)

    assert got == own
    assert got[-2] == f"[Error 2] CorruptRecordException: Invalid CRC - {TP}"


def test_no_records_follow_a_corrupt_batch() -> None:
    fetched_records.install()
    records = reader([Part("plain"), Part("corrupt"), Part("plain")])
    partition = _Partition(0)
    result = fetcher.FetchResult(TP, assignment=partition, partition_records=records, backoff=0)

    with pytest.raises(CorruptRecordException):
        result.getall()

    assert result.getall() == []
    assert partition.position == 0


def test_a_partition_that_was_moved_yields_nothing() -> None:
    fetched_records.install()
    records = reader([Part("plain")])
    elsewhere = _Partition(2)
    result = fetcher.FetchResult(TP, assignment=elsewhere, partition_records=records, backoff=0)

    assert result.getall() == []
    assert not result.has_more()
    assert elsewhere.position == 2


@pytest.mark.parametrize("moved", [0, 1])
def test_fetched_bytes_are_released_at_once(moved: int) -> None:
    """Without the garbage collector, which runs rarely where few containers are created."""
    fetched_records.install()
    records, partition = reader([Part("plain"), Part("plain")]), _Partition(0)
    result = fetcher.FetchResult(TP, assignment=partition, partition_records=records, backoff=0)
    alive = weakref.ref(records)
    del records
    gc.disable()
    try:
        assert len(result.getall(4)) == 4
        partition.position += moved
        assert len(result.getall(4)) == (0 if moved else 2)
        assert alive() is None
    finally:
        gc.enable()


def test_records_have_few_fields() -> None:
    fetched_records.install()
    records = reader([Part("plain")]).run(3)

    assert len(records) == 3
    if compiled.batch_reader is None:
        assert [type(record) for record in records] == [fetched_records.FetchedRecord] * 3
    else:
        assert type(records).__name__ == "PackedRecords"


@pytest.mark.skipif(
    not batch_reader, reason="gnomon.runtime.kafka.compiled.batch_reader was not compiled here"
)
@given(st.integers(0, 10**6), st.binary(min_size=1, max_size=12), st.integers(0, 6))
@example(57, b"\x00\x00\x00\x00", 1)
@example(57, b"\x7f\xff\xff\xff", 1)
def test_bytes_that_are_no_records_are_refused_as_aiokafka_refuses_them(
    at: int, damage: bytes, start: int
) -> None:
    """With a valid checksum: whatever a batch contains, nothing outside of it is read."""
    data = bytearray(encoded(Part("plain", count=6), 0))
    at = 57 + at % (len(data) - 57)
    data[at : at + len(damage)] = damage[: len(data) - at]
    data[17:21] = calc_crc32c(data[21:]).to_bytes(4, "big")

    def result_of(records: Any) -> object:
        try:
            return [fields_of(record) for record in records.run(99)]
        except (CorruptRecordException, UnicodeDecodeError):
            return "corrupt"

    fetched_records.install()
    forms = []
    for form in (None, batch_reader):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(compiled, "batch_reader", form)
            arguments: tuple[Any, ...] = (
                TP,
                fetcher.MemoryRecords(bytes(data)),
                [],
                start,
                None,
                None,
                True,
                1,
            )
            forms.append(result_of(fetcher.PartitionRecords(*arguments)))

    assert forms[0] == forms[1]
