"""A bounded range of a log: what is in it, in which order, and that it ends."""

import contextlib
from collections.abc import Mapping

import pytest
from aiokafka.structs import TopicPartition
from hypothesis import given
from hypothesis import strategies as st
from tests.support.kafka.memory_consumer import MemoryTopics
from tests.support.kafka.memory_partition import Record

from gnomon.connection import KafkaConnection, aiokafka_clients
from gnomon.errors import BrokerUnavailableError
from gnomon.runtime.partition.log import log_range

A, B = TopicPartition("p.a", 3), TopicPartition("p.b", 3)


def topic(tp: TopicPartition, *offsets: int, every_ms: int = 1) -> list[Record]:
    return [Record(n, topic=tp.topic, partition=3, timestamp=n * every_ms) for n in offsets]


async def read(
    topics: MemoryTopics, *, start: Mapping[str, int], end: Mapping[str, int]
) -> list[tuple[str, int]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(aiokafka_clients, "consumer", topics.consumer)
        chunks = log_range.read_range(
            kafka=KafkaConnection("none:1"), partition=3, start=start, end=end
        )
        return [(r.topic, r.offset) async for chunk in chunks for r in chunk]


@given(st.integers(0, 25), st.integers(0, 25), st.integers(0, 25), st.sets(st.integers(0, 24)))
async def test_it_has_the_visible_records_from_start_up_to_end(
    start: int, end: int, beginning: int, visible: set[int]
) -> None:
    """Some offsets are ends of transactions or aborted, some were removed by retention."""
    log = topic(A, *sorted(visible))
    topics = MemoryTopics({A: log}, ends={A: 25}, beginnings={A: beginning})

    found = await read(topics, start={"p.a": start}, end={"p.a": end})

    first = max(start, beginning)
    assert [offset for _, offset in found] == [n for n in sorted(visible) if first <= n < end]
    assert topics.running == 0


async def test_topics_take_turns_by_the_time_of_their_records() -> None:
    """The topic whose next record is oldest comes first; a turn is what one fetch brought."""
    a, b = topic(A, *range(12)), topic(B, *range(4), every_ms=4)
    topics = MemoryTopics({A: a, B: b}, ends={A: 12, B: 4})

    found = await read(topics, start={"p.a": 0, "p.b": 0}, end={"p.a": 12, "p.b": 4})

    of_a, of_b = [("p.a", n) for n in range(12)], [("p.b", n) for n in range(4)]
    assert found == [*of_a[:5], *of_b, *of_a[5:]]


async def test_an_end_that_cannot_be_reached_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_range, "STALL_S", 0.02)
    topics = MemoryTopics({A: topic(A, *range(9))}, ends={A: 9}, hidden_from=4)

    with pytest.raises(BrokerUnavailableError, match=r"p\.a\[3\]: nothing between 4 and 9"):
        await read(topics, start={"p.a": 0}, end={"p.a": 9})

    assert topics.running == 0


async def test_a_broker_that_is_down_is_an_error() -> None:
    topics = MemoryTopics({A: []}, ends={A: 0}, down=True)

    with pytest.raises(BrokerUnavailableError, match=r"p\.a\[3\]"):
        await read(topics, start={"p.a": 0}, end={"p.a": 9})


async def test_a_reader_that_stops_early_closes_the_consumer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    topics = MemoryTopics({A: topic(A, *range(20))}, ends={A: 20})
    monkeypatch.setattr(aiokafka_clients, "consumer", topics.consumer)
    chunks = log_range.read_range(
        kafka=KafkaConnection("none:1"), partition=3, start={"p.a": 0}, end={"p.a": 20}
    )
    async with contextlib.aclosing(chunks):
        assert len(await anext(chunks)) == 5
        assert topics.running == 1

    assert topics.running == 0
