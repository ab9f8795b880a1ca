"""What is packed is to Python the sequence it stands for, and to the fold as well."""

import gc
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.features.support import T0, events, finished, random_log, started

from gnomon import codec
from gnomon.events import TaskEvent, TaskStarted
from gnomon.features import FeaturesConfig, FeaturesState, fold, implementation, snapshot
from gnomon.records import Keyed, one_topic
from gnomon.runtime.kafka.compiled import batch_reader, batch_writer
from gnomon.runtime.kafka.transactions.produce_requests import MAX_BATCH_BYTES
from gnomon.runtime.partition import commits
from gnomon.topics import MAX_EVENT_BYTES

pytestmark = pytest.mark.skipif(
    not (implementation.COMPILED and batch_reader),
    reason="gnomon was not compiled here: pip install says why",
)
FIELDS = ("topic", "partition", "offset", "timestamp", "key", "value", "headers")
data = st.none() | st.binary(max_size=20)
headers = st.lists(st.tuples(st.text(max_size=5), data), max_size=2).map(tuple)
parts = st.lists(st.tuples(data, data, headers), max_size=9)
Part = tuple[bytes | None, bytes | None, Sequence[tuple[str, bytes | None]]]


def packed(rows: Sequence[Part], base: int = 0, *, topic: str = "t", partition: int = 3) -> Any:
    """The rows as they are when one batch of them was fetched."""
    batch = batch_writer.RecordBatch(MAX_BATCH_BYTES)
    for row in rows:
        assert batch.take(*row)
    frame = bytearray(batch.build(1, 0, 0))
    frame[:8] = base.to_bytes(8, "big")
    return batch_reader.Reader(bytes(frame), topic, partition, base).take(len(rows))


def facts(records: Any) -> list[list[object]]:
    return [[getattr(record, field) for field in FIELDS] for record in records]


def wanted(rows: Sequence[Part], base: int, like: Any) -> list[list[object]]:
    return [
        ["t", 3, base + at, each.timestamp, *row]
        for at, (row, each) in enumerate(zip(rows, like, strict=True))
    ]


@given(parts, parts, st.integers(-12, 12), st.integers(-12, 12))
def test_records(first: list[Part], second: list[Part], start: int, stop: int) -> None:
    """One batch behind the other: lengths, indexes, slices and all that is in a record."""
    records = packed(first, 10)
    before = list(records)
    records += packed(second, 90)
    gc.collect(0)  # what the bytes lie in is theirs alone
    as_list = list(records)

    expected = wanted(first, 10, before) + wanted(second, 90, as_list[len(first) :])
    assert facts(records) == facts(as_list) == expected
    assert len(records) == len(expected)
    assert facts(records[start:stop]) == expected[start:stop]
    assert facts(reversed(records)) == expected[::-1]
    for at in range(-len(expected), len(expected)):
        assert facts([records[at]]) == [expected[at]]
    for at in (len(expected), -len(expected) - 1):
        with pytest.raises(IndexError, match=f"there are {len(expected)} records"):
            records[at]


@pytest.mark.parametrize("more", [{"topic": "u"}, {"partition": 4}])
def test_records_of_two_partitions_are_a_list(more: dict[str, Any]) -> None:
    row: Part = (b"k", b"v", ())
    records, after = packed([row]), packed([row], 5, **more)
    expected = facts(records) + facts(after)

    records += after

    assert type(records) is list
    assert facts(records) == expected


def test_records_and_a_list_are_a_list() -> None:
    rows: list[Part] = [(b"k", b"v", ()), (None, None, (("h", None),))]
    records, alone = packed(rows), packed(rows)
    expected = facts(records) + facts(alone)
    expected_of_alone = facts(alone) * 2

    records += list(alone)
    behind: list[Any] = list(alone)
    behind += alone

    assert facts(records) == expected
    assert facts(behind) == expected_of_alone


def _folded(records: Any) -> object:
    state = FeaturesState(implementation.Agent)
    outputs = fold(state, records, config=FeaturesConfig())
    dead = [(letter.reason, letter.detail, facts([letter.record])) for letter in outputs.dead]
    return outputs.by_topic, dead, snapshot(state)


def _values(log: Sequence[TaskEvent]) -> list[Part]:
    return [(event.agent_id.encode(), codec.encode(event), ()) for event in log]


@given(events)
def test_the_fold_of_packed_records(log: list[TaskEvent]) -> None:
    records = packed(_values(log))

    assert _folded(records) == _folded(list(records))


@pytest.mark.parametrize("bad", [None, b"", b"{}", b" " * (MAX_EVENT_BYTES + 1), b"\xff" * 40])
def test_one_that_is_no_event_among_them(bad: bytes | None) -> None:
    rows = _values(random_log(5, count=40))
    rows.insert(20, (b"a", bad, ()))
    records = packed(rows)

    folded: Any = _folded(records)

    assert folded == _folded(list(records))
    assert len(folded[1]) == 1


@pytest.mark.parametrize("read", [packed, list])
def test_no_records_lead_to_nothing(read: Callable[[Sequence[Part]], Any]) -> None:
    """All that a state is rebuilt from may have been skipped."""
    folded: Any = _folded(read([]))

    by_topic, dead, _ = folded

    assert (any(by_topic.values()), dead) == (False, [])


def test_repeats_among_packed_records() -> None:
    """With the sender's numbers: those read before are passed over, unless sent again on purpose."""
    log = [
        TaskStarted(
            agent_id="a", task_id=f"t{i}", task_type="x", started_at_ms=T0,
            producer_id=f"p{i % 2}", seq=i,
        )
        for i in (0, 1, 2, 1, 3, 0, 9)
    ]  # fmt: skip
    rows = _values(log)
    rows[5] = (*rows[5][:2], (("gnomon-redriven", b"0/1"),))
    records = packed(rows)

    folded: Any = _folded(records)

    by_topic, dead, _ = folded
    assert folded == _folded(list(records))
    assert (len(by_topic["task-features"]), dead) == (5, [])


def _rows(log: Sequence[TaskEvent]) -> Any:
    state = FeaturesState(implementation.Agent)
    records = packed(_values(log))
    return fold(state, records, config=FeaturesConfig()).by_topic["task-features"]


@given(st.integers(300, 3_000), st.integers(0, 30))
def test_rows_are_written_as_a_list_of_them(most: int, start: int) -> None:
    rows = _rows([started(f"t{i}", T0 + i, agent=f"é{i % 3}") for i in range(20)])
    as_list: list[Keyed] = list(rows)

    def written(given_rows: Any) -> tuple[int, int, bytes]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(batch_writer, "time", lambda: 1.0)
            batch = batch_writer.RecordBatch(most)
            done = batch.fill(given_rows, start)
            return done, batch.count, bytes(batch.build(1, 2, 3))

    assert written(rows) == written(as_list)


def test_rows() -> None:
    rows = _rows([started("t1", T0), finished("t1", T0 + 5), started("t2", T0 + 9, agent="b")])

    assert [key for key, _ in rows] == [b"a", b"b"]
    assert (len(rows), rows[-1], rows[0]) == (2, list(rows)[1], next(iter(rows)))
    assert rows == list(rows)
    assert rows != list(rows)[:1]
    for at in (2, -3):
        with pytest.raises(IndexError, match="there are 2 rows"):
            rows[at]


@given(parts.filter(len), parts)
def test_offsets_and_counts_by_topic(first: list[Part], second: list[Part]) -> None:
    """Of a stage with one input topic and with more; they are known without an object for each record."""
    records = packed(first, 10)
    records += packed(second, 90)
    for topics in (1, 2):
        next_offsets = commits._next_offsets(records, topics=topics)
        assert next_offsets == commits._next_offsets([*records], topics=2)
        counts = commits._count_by_topic(records, topics=topics)
        assert counts == commits._count_by_topic([*records], topics=2)
    assert one_topic(records) == "t"
    assert one_topic([*records]) is None
