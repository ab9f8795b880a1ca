"""Which records were left out of the state, though read: their dead letters say so."""

import contextlib

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError
from aiokafka.structs import TopicPartition

from gnomon.errors import BrokerUnavailableError
from gnomon.runtime.partition.log_range import read_range
from gnomon.runtime.partition.poison import QUARANTINE_REASONS
from gnomon.topics import DEAD_LETTERS

MAX_CLOCK_SKEW_MS = 3_600_000
"""How far the clocks of a broker, an agent and a worker may be apart."""

RecordIds = frozenset[tuple[str, int]]
"""Full topic name and offset of each record."""


async def read_quarantined(
    *, brokers: str, prefix: str, stage: str, partition: int, since_ms: int
) -> RecordIds:
    """Records of ``partition`` at or after ``since_ms`` that ``stage`` raised on.

    Raises:
        BrokerUnavailableError: The brokers did not say.
    """
    tp = TopicPartition(prefix + DEAD_LETTERS.name, partition)
    # Uncommitted, so that its end is the end of the log: another stage's open transaction may
    # stand before a letter of this one, and is waited for below.
    consumer = AIOKafkaConsumer(bootstrap_servers=brokers)
    try:
        await consumer.start()
        found = await consumer.offsets_for_times({tp: max(0, since_ms - MAX_CLOCK_SKEW_MS)})
        end = (await consumer.end_offsets([tp]))[tp]
    except KafkaError as error:
        raise BrokerUnavailableError(f"{tp.topic}[{partition}]: {error!r}") from error
    finally:
        await consumer.stop()
    start = found[tp].offset if found.get(tp) is not None else end
    skips: set[tuple[str, int]] = set()
    chunks = read_range(
        brokers=brokers, partition=partition, start={tp.topic: start}, end={tp.topic: end}
    )
    wanted = {(stage.encode(), reason.encode()) for reason in QUARANTINE_REASONS}
    async with contextlib.aclosing(chunks):
        async for letters in chunks:
            for letter in letters:
                about = dict(letter.headers)
                if (about.get("gnomon-stage"), about.get("gnomon-reason")) in wanted:
                    skips.add((about["gnomon-topic"].decode(), int(about["gnomon-offset"])))
    return frozenset(skips)
