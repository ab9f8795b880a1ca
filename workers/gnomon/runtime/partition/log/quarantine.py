"""Reads which records a stage has quarantined: processed as a dead letter, and no part of its state."""

import contextlib

from aiokafka.errors import KafkaError
from aiokafka.structs import TopicPartition

from gnomon.connection import KafkaConnection, aiokafka_clients
from gnomon.connection.refusals import unavailable
from gnomon.runtime.partition.log.log_range import read_range
from gnomon.runtime.partition.poison import QUARANTINE_REASONS
from gnomon.runtime.partition.ports import RecordIds
from gnomon.topics import DEAD_LETTERS

MAX_CLOCK_SKEW_MS = 3_600_000
"""How far the clocks of brokers, agents and workers may differ."""


async def read_quarantined(
    *, kafka: KafkaConnection, prefix: str, stage: str, partition: int, since_ms: int
) -> RecordIds:
    """Return the records of ``partition`` that ``stage`` has quarantined.

    Args:
        kafka: The cluster.
        prefix: Of every topic name.
        stage: Which stage.
        partition: Input partition; its dead letters have the same number.
        since_ms: Timestamp of the oldest record of interest, epoch milliseconds.

    Raises:
        BrokerUnavailableError: The brokers did not answer.
    """
    tp = TopicPartition(prefix + DEAD_LETTERS.name, partition)
    # Without read_committed, the end offset is the end of the log: a dead letter of this stage may
    # follow an open transaction of another, which the read below waits for.
    consumer = aiokafka_clients.consumer(kafka)
    try:
        await consumer.start()
        found = await consumer.offsets_for_times({tp: max(0, since_ms - MAX_CLOCK_SKEW_MS)})
        end = (await consumer.end_offsets([tp]))[tp]
    except KafkaError as error:
        raise unavailable(f"{tp.topic}[{partition}]", error) from error
    finally:
        await consumer.stop()
    start = found[tp].offset if found.get(tp) is not None else end
    quarantined: set[tuple[str, int]] = set()
    chunks = read_range(
        kafka=kafka, partition=partition, start={tp.topic: start}, end={tp.topic: end}
    )
    wanted = {(stage.encode(), reason.encode()) for reason in QUARANTINE_REASONS}
    async with contextlib.aclosing(chunks):
        async for chunk in chunks:
            for dead_letter in chunk:
                headers = dict(dead_letter.headers)
                if (headers.get("gnomon-stage"), headers.get("gnomon-reason")) in wanted:
                    topic, offset = headers["gnomon-topic"], headers["gnomon-offset"]
                    quarantined.add((topic.decode(), int(offset)))
    return frozenset(quarantined)
