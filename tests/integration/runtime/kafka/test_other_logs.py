"""A log that is not the one that was read on: records removed unread, topics made again, grown alone."""

import asyncio
import logging
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.structs import TopicPartition
from tests.conftest import Kafka
from tests.integration.runtime.bench import Bench
from tests.integration.runtime.counting import CountingStage
from tests.support.kafka.admin import Admin
from tests.support.polling import eventually

from gnomon.errors import ConfigurationError, LostRecordsError
from gnomon.runtime.kafka.fetched_records import install

pytestmark = pytest.mark.kafka


def lines(caplog: pytest.LogCaptureFixture, message: str) -> list[dict[str, Any]]:
    return [record.__dict__ for record in caplog.records if record.message == message]


async def sent_and_removed_unread(kafka: Kafka, topic: TopicPartition, before: int) -> None:
    """Send ten records, and remove those below an offset while nobody may read any.

    Readers wait for the end of the transaction, so none can be faster than the removal.
    """
    async with (
        AIOKafkaProducer(
            bootstrap_servers=kafka.brokers, transactional_id=f"{topic.topic}-{topic.partition}"
        ) as producer,
        producer.transaction(),
    ):
        for _ in range(10):
            await producer.send_and_wait(topic.topic, b"v", partition=topic.partition)
        removing = Admin(kafka.brokers).delete_records
        await asyncio.to_thread(removing, topic.topic, topic.partition, before)


async def test_a_reader_does_not_jump_over_what_retention_removed(
    kafka: Kafka, bench: Bench
) -> None:
    install()
    topic = TopicPartition(f"{bench.settings.topic_prefix}task-events", 0)
    async with AIOKafkaConsumer(
        bootstrap_servers=kafka.brokers,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
    ) as consumer:
        consumer.assign([topic])
        await bench.send([b"v"] * 40)
        await eventually(lambda: consumer.getmany(timeout_ms=200), what="the first ten")
        await sent_and_removed_unread(kafka, topic, 15)

        with pytest.raises(LostRecordsError, match=r"offset 10 is not in the log.* from 15"):
            await eventually(lambda: consumer.getmany(timeout_ms=200), what="an error")


async def test_a_worker_stops_at_a_hole_and_the_next_one_tells_its_state(
    kafka: Kafka,
    bench: Bench,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # The process of a worker that has failed ends, but here it would stay a member of the group.
    monkeypatch.setattr("gnomon.runtime.process.stage_worker.ABORT_S", 20.0)
    topic = f"{bench.settings.topic_prefix}task-events"
    worker = await bench.start()
    await bench.send([b"v"] * 40)
    await bench.expect(10)
    await sent_and_removed_unread(kafka, TopicPartition(topic, 2), 16)

    error = await bench.ended(worker)
    assert isinstance(error, LostRecordsError)
    assert f"{topic}[2]: offset 10" in str(error)

    successor = CountingStage()
    with caplog.at_level(logging.ERROR):
        await bench.start(successor)
        await eventually(lambda: successor.gaps, what="the state is told")
    assert successor.gaps == {2: 6}
    (gap,) = lines(caplog, "recovery.gap")
    assert (gap["topic"], gap["partition"], gap["from"], gap["to"]) == (topic, 2, 10, 16)

    async def went_on() -> bool:
        return (await bench.written())[2][10:] == [11, 12, 13, 14]

    await eventually(went_on, what="the four records after the hole")


async def test_a_topic_that_was_made_again_while_nothing_ran_is_counted_from_its_beginning(
    kafka: Kafka, bench: Bench
) -> None:
    """The new log is longer than the old one, so the old snapshot's offsets would fit."""
    admin, topic = Admin(kafka.brokers), f"{bench.settings.topic_prefix}task-events"
    first = await bench.start()
    await bench.send([b"v"] * 80)
    await bench.expect(20)
    await bench.stop(first)

    await asyncio.to_thread(admin.make_again, topic, 4)
    await bench.send([b"v"] * 160)
    second = await bench.start(CountingStage())
    await bench.expect(40, since=20)
    await bench.stop(second)  # its snapshots are beside the old ones

    successor = CountingStage()
    await bench.start(successor)
    await bench.send([b"v"] * 4)
    await bench.expect(41, since=20)
    assert sorted(successor.restored) == [0, 1, 2, 3]


async def test_a_topic_that_is_made_again_under_a_worker_is_named(
    kafka: Kafka, bench: Bench
) -> None:
    admin, topic = Admin(kafka.brokers), f"{bench.settings.topic_prefix}task-events"
    worker = await bench.start()
    await bench.send([b"v"] * 40)
    await bench.expect(10)

    await asyncio.to_thread(admin.make_again, topic, 4)

    error = await bench.ended(worker)
    assert isinstance(error, LostRecordsError)
    assert f"{topic} was deleted and made again" in str(error)


async def test_a_topic_that_is_made_again_and_filled_under_a_worker_is_counted_from_its_beginning(
    kafka: Kafka, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The new log is longer than the offsets that were committed in the old one."""
    # The process of a worker that has failed ends, but here it would stay a member of the group.
    monkeypatch.setattr("gnomon.runtime.process.stage_worker.ABORT_S", 20.0)
    admin, topic = Admin(kafka.brokers), f"{bench.settings.topic_prefix}task-events"
    worker = await bench.start()
    await bench.send([b"v"] * 40)
    await bench.expect(10)

    await asyncio.to_thread(admin.make_again, topic, 4)
    await bench.send([b"v"] * 160)
    assert isinstance(await bench.ended(worker), LostRecordsError)

    await bench.start(CountingStage())
    await bench.expect(40, since=10)


async def test_partitions_added_to_the_input_alone_are_named(kafka: Kafka, bench: Bench) -> None:
    """Keys have moved, so each state is that of other agents, even where no record is in a new partition."""
    admin, prefix = Admin(kafka.brokers), bench.settings.topic_prefix
    worker = await bench.start()
    await asyncio.to_thread(admin.grow, f"{prefix}task-events", 5)

    error = await bench.ended(worker)
    assert isinstance(error, ConfigurationError)
    assert f"{prefix}task-events has 5, {prefix}task-features has 4" in str(error)


async def test_an_output_without_the_partition_is_named(kafka: Kafka, bench: Bench) -> None:
    class SaysNot(CountingStage):
        outputs = ()

    admin, prefix = Admin(kafka.brokers), bench.settings.topic_prefix
    worker = await bench.start(SaysNot())
    await asyncio.to_thread(admin.grow, f"{prefix}task-events", 5)
    await bench.send([b"v"] * 5, partitions=5)

    error = await bench.ended(worker)
    assert isinstance(error, ConfigurationError)
    assert f"{prefix}task-features has 4 partitions" in str(error)
    assert "at least 5" in str(error)


async def test_inputs_with_different_numbers_of_partitions_are_named(
    kafka: Kafka, bench: Bench
) -> None:
    admin, prefix = Admin(kafka.brokers), bench.settings.topic_prefix
    await asyncio.to_thread(admin.grow, f"{prefix}shadow-predictions", 6)
    worker = await bench.start(
        CountingStage(inputs=("task-events", "shadow-predictions")), ready=False
    )

    error = await bench.ended(worker)
    assert isinstance(error, ConfigurationError)
    assert f"{prefix}shadow-predictions has 6, {prefix}task-events has 4" in str(error)
