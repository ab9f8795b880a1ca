"""Record batches and Produce requests equal aiokafka's, byte for byte."""

from io import BytesIO
from typing import Any

import pytest
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.protocol.produce import ProduceRequest, ProduceRequest_v7
from aiokafka.protocol.types import (
    CompactArray,
    CompactBytes,
    CompactString,
    Int16,
    Int32,
    Schema,
    TaggedFields,
)
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.structs import TopicPartition
from hypothesis import assume, given
from hypothesis import strategies as st

from gnomon.runtime.kafka.compiled import batch_writer
from gnomon.runtime.kafka.transactions.produce_requests import (
    MAX_BATCH_BYTES,
    AiokafkaRecordBatch,
    ProduceRequestV7,
    ProduceRequestV12,
    RecordBatch,
)

FORMS: list[type[RecordBatch]] = [AiokafkaRecordBatch]
if batch_writer:
    FORMS.append(batch_writer.RecordBatch)
form = pytest.mark.parametrize("form", FORMS)
VERSIONS = {0: (3, 12)}
PARTITIONS = CompactArray(("partition", Int32), ("records", CompactBytes), ("tags", TaggedFields))
VERSION_12 = Schema(
    ("transactional_id", CompactString()),
    ("acks", Int16),
    ("timeout_ms", Int32),
    (
        "topics",
        CompactArray(("name", CompactString()), ("data", PARTITIONS), ("tags", TaggedFields)),
    ),
    ("tags", TaggedFields),
)
"""https://kafka.apache.org/protocol.html#The_Messages_Produce"""
ROWS = st.lists(st.tuples(st.none() | st.binary(max_size=40), st.none() | st.binary(max_size=400)))


def empty(form: type[RecordBatch]) -> RecordBatch:
    return form(MAX_BATCH_BYTES)  # type: ignore[call-arg]  # a protocol has no constructor


def sent(request: Any) -> bytes:
    """Build the message as aiokafka's connection does."""
    message = b"header" + request.encode()
    return bytes(len(message).to_bytes(4, "big") + message)


@given(st.dictionaries(st.tuples(st.text(max_size=9), st.integers(0, 9)), st.binary(max_size=99)))
def test_the_request_is_aiokafkas(given_batches: dict[tuple[str, int], bytes]) -> None:
    batches = {TopicPartition(*at): bytearray(data) for at, data in given_batches.items()}
    topics: dict[str, list[tuple[int, bytes]]] = {}
    for (topic, partition), data in given_batches.items():
        topics.setdefault(topic, []).append((partition, data))

    ours = ProduceRequestV7("stage-3", 20_000, batches).prepare(VERSIONS)
    theirs = ProduceRequest("stage-3", -1, 20_000, list(topics.items())).prepare(VERSIONS)

    assert sent(ours) == sent(theirs)
    assert (ours.API_KEY, ours.API_VERSION) == (theirs.API_KEY, theirs.API_VERSION)
    assert ours.RESPONSE_TYPE is theirs.RESPONSE_TYPE
    assert ProduceRequest_v7.decode(BytesIO(sent(ours)[10:])).transactional_id == "stage-3"


@given(st.dictionaries(st.tuples(st.text(max_size=9), st.integers(0, 9)), st.binary(max_size=300)))
def test_the_request_of_the_second_protocol(given_batches: dict[tuple[str, int], bytes]) -> None:
    """Decoded with aiokafka's field types."""
    batches = {TopicPartition(*at): bytearray(data) for at, data in given_batches.items()}

    request = ProduceRequestV12("stage-3", 20_000, batches).prepare(VERSIONS)

    rest = BytesIO(sent(request)[10:])
    name, acks, timeout_ms, topics, tags = VERSION_12.decode(rest)
    assert (name, acks, timeout_ms, tags, rest.read()) == ("stage-3", -1, 20_000, {}, b"")
    read = {(topic, p): data for topic, rows, _ in topics for p, data, _ in rows}
    assert read == given_batches
    assert (request.API_KEY, request.API_VERSION, request.FLEXIBLE_VERSION) == (0, 12, True)


@form
@given(rows=ROWS)
def test_a_batch_is_read_as_it_was_filled(
    form: type[RecordBatch], rows: list[tuple[bytes | None, bytes | None]]
) -> None:
    batch = empty(form)

    assert batch.fill(rows, 0) == len(rows) == batch.count
    if not rows:
        return
    records = MemoryRecords(bytes(batch.build(77, 3, 40)))
    read = records.next_batch()
    assert read is not None
    assert read.validate_crc()
    assert (read.producer_id, read.producer_epoch, read.base_sequence) == (77, 3, 40)
    assert read.is_transactional
    found = list(read)
    assert [(r.key, r.value, list(r.headers)) for r in found] == [(k, v, []) for k, v in rows]
    assert [r.offset for r in found] == list(range(len(rows)))
    assert not records.has_next()


@form
def test_rows_are_spread_over_as_many_batches_as_they_need(form: type[RecordBatch]) -> None:
    """aiokafka's own builder is the oracle for how many fit."""
    rows: list[tuple[bytes | None, bytes | None]] = [(b"k", b"v" * 150_000) for _ in range(20)]
    room = BatchBuilder(MAX_BATCH_BYTES, 0, is_transactional=1)
    most = 0
    while room.append(timestamp=None, key=b"k", value=b"v" * 150_000) is not None:
        most += 1

    first, second = empty(form), empty(form)

    assert first.fill(rows, 0) == most == first.count
    assert first.size_bytes <= MAX_BATCH_BYTES
    assert second.fill(rows, most) == 2 * most


@form
def test_the_first_record_is_taken_whatever_its_size(form: type[RecordBatch]) -> None:
    batch = empty(form)

    assert batch.fill([(b"k", b"v" * 2 * MAX_BATCH_BYTES), (b"k", b"v")], 0) == 1
    assert batch.size_bytes > MAX_BATCH_BYTES


@form
@pytest.mark.parametrize("headers", [[], [("reason", b"invalid"), ("", b"")]])
def test_a_record_with_headers(form: type[RecordBatch], headers: list[tuple[str, bytes]]) -> None:
    batch = empty(form)

    assert batch.take(b"k", None, headers)

    read = MemoryRecords(bytes(batch.build(1, 0, 0))).next_batch()
    assert read is not None
    (record,) = read
    assert (record.key, record.value, list(record.headers)) == (b"k", None, headers)


keyed = st.tuples(
    st.none() | st.binary(max_size=130),
    st.none() | st.binary(max_size=130) | st.integers(0, 2_500).map(bytes),
)
headers = st.lists(st.tuples(st.text(max_size=9), st.binary(max_size=70)), max_size=3)


@pytest.mark.skipif(
    not batch_writer, reason="gnomon.runtime.kafka.compiled.batch_writer was not compiled here"
)
@given(
    st.integers(61, 4_000),
    st.lists(st.tuples(st.integers(1, 2**33), st.lists(keyed) | st.tuples(keyed, headers))),
)
def test_the_compiled_batch_is_aiokafkas_to_the_byte(most: int, calls: list[Any]) -> None:
    theirs = DefaultRecordBatchBuilder(2, 0, 1, -1, -1, 0, most)
    ours = batch_writer.RecordBatch(most)
    with pytest.MonkeyPatch.context() as patch:
        for at_s, given_rows in calls:
            patch.setattr(batch_writer, "time", lambda at_s=at_s: float(at_s))
            if isinstance(given_rows, list):
                done = ours.fill(given_rows, 0)
                taken: list[Any] = [(key, value, []) for key, value in given_rows[: done + 1]]
            else:
                (key, value), named = given_rows
                done = ours.take(key, value, named)
                taken = [(key, value, named)]
            for at, row in enumerate(taken):
                found = theirs.append(ours.count - done + at, at_s * 1000, *row)
                assert (found is not None) == (at < done)
        assert theirs.size() == ours.size_bytes
    assume(ours.count)  # an empty batch is never sent

    theirs.set_producer_state(77, 3, 40)

    assert ours.build(77, 3, 40) == theirs.build()


@pytest.mark.skipif(
    not batch_writer, reason="gnomon.runtime.kafka.compiled.batch_writer was not compiled here"
)
@pytest.mark.parametrize("row", [("k", b"v"), (b"k", "v"), (b"k", bytearray(b"v"))])
def test_the_compiled_batch_takes_bytes_only(row: Any) -> None:
    batch = batch_writer.RecordBatch(MAX_BATCH_BYTES)

    with pytest.raises(TypeError, match="expected bytes"):
        batch.fill([row], 0)
