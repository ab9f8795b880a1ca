"""Which writes share a transaction, and which partitions an error or a rebalance takes out of it."""

import asyncio

import pytest
from aiokafka import errors as kafka
from aiokafka.structs import TopicPartition
from tests.support.kafka.writer_in_memory import (
    MEMBER,
    Rig,
    writing,
)
from tests.support.polling import eventually

from gnomon.errors import FencedError, OutputTooLargeError
from gnomon.runtime.kafka.transactions import group as group_module


async def test_partitions_that_were_fetched_together_share_a_transaction() -> None:
    rig = Rig()
    async with rig.open(0, 1, 2) as writers:
        rig.worker.expect({0, 1, 2})
        first = writing(writers[0])
        await asyncio.sleep(0)
        await asyncio.gather(first, *map(writing, writers[1:]))

    assert rig.producer.transactions == [[0, 1, 2]]
    assert set(rig.producer.rows) == {TopicPartition("p.out", n) for n in (0, 1, 2)}


async def test_a_partition_that_hangs_does_not_hold_the_others_up() -> None:
    rig = Rig()
    async with rig.open(0, 1) as writers, asyncio.timeout(5):
        rig.worker.expect({0, 1})
        await writing(writers[0])

    assert rig.producer.transactions == [[0]]


async def test_writes_during_a_transaction_are_together_in_the_next() -> None:
    rig = Rig()
    async with rig.open(0, 1, 2) as writers:
        rig.producer.gate = asyncio.Event()
        first = writing(writers[0])
        await eventually(lambda: rig.producer.calls[-1] == "write", what="the first is under way")
        others = [writing(writer) for writer in writers[1:]]
        await asyncio.sleep(0)
        rig.producer.gate.set()
        await asyncio.gather(first, *others)

    assert rig.producer.transactions == [[0], [1, 2]]


async def test_only_the_partition_whose_output_is_too_large_fails() -> None:
    rig = Rig()
    rig.producer.refuses = b"large"
    async with rig.open(0, 1, 2, 3) as writers:
        rig.worker.expect({0, 1, 2, 3})
        tasks = [writing(w, b"large" if w.partition == 2 else b"v") for w in writers]
        results = await asyncio.gather(*tasks, return_exceptions=True)

    assert [type(result) for result in results] == [type(None)] * 2 + [
        OutputTooLargeError,
        type(None),
    ]
    assert rig.producer.transactions == [[0, 1], [3]]


@pytest.mark.parametrize(
    "error",
    [kafka.IllegalGenerationError, kafka.UnknownMemberIdError, kafka.RebalanceInProgressError],
)
async def test_a_transaction_of_an_old_generation_is_repeated_without_what_was_given_up(
    error: type[Exception],
) -> None:
    rig = Rig(error("write"))
    newer = MEMBER._replace(generation=6)
    async with rig.open(0, 1) as (kept, lost):
        rig.worker.expect({0, 1})
        tasks = writing(kept), writing(lost)
        await eventually(lambda: rig.producer.calls[-1] == "write", what="it was refused")
        lost.revoke()
        rig.worker.joined(newer, missed=False)
        results = await asyncio.gather(*tasks, return_exceptions=True)

    assert [type(result) for result in results] == [type(None), FencedError]
    assert rig.producer.members == [MEMBER, newer]
    assert rig.producer.transactions == [[0]]
    assert rig.producer.calls == ["start", "write", "renew", "write", "stop"]


async def test_without_a_member_id_nothing_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Kafka would accept the offsets from anybody."""
    monkeypatch.setattr(group_module, "NEXT_GENERATION_S", 0.01)
    rig = Rig()
    rig.worker.joined(MEMBER._replace(generation=-1, member_id=""), missed=False)
    async with rig.open(0) as (writer,):
        with pytest.raises(FencedError, match="not a member"):
            await writing(writer)

    assert "write" not in rig.producer.calls


async def test_a_write_of_a_revoked_partition_is_refused() -> None:
    rig = Rig()
    async with rig.open(0) as (writer,):
        writer.revoke()
        with pytest.raises(FencedError):
            await writing(writer)

    assert "write" not in rig.producer.calls


async def test_a_fenced_worker_writes_nothing_until_it_has_joined_again() -> None:
    rig = Rig(kafka.ProducerFenced("write"))
    async with rig.open(0, 1) as writers:
        for writer in writers:
            with pytest.raises(FencedError):
                await writing(writer)
        rig.worker.joined(MEMBER._replace(generation=6), missed=False)
        await writing(writers[1])

    assert rig.producer.calls.count("write") == 2
    assert rig.producer.transactions == [[1]]


async def test_after_a_missed_generation_the_producer_starts_anew() -> None:
    rig = Rig()
    async with rig.open(0) as (writer,):
        rig.producer.gate = asyncio.Event()
        task = writing(writer)
        await eventually(lambda: rig.producer.calls[-1] == "write", what="it is under way")
        writer.revoke()
        rig.worker.joined(MEMBER._replace(generation=9), missed=True)
        with pytest.raises(FencedError):
            await task
        rig.producer.gate.set()
        async with rig.worker.open(0) as again:
            await writing(again)

    assert rig.producer.calls == ["start", "write", "renew", "write", "stop"]
