"""The log of one partition in Kafka, as recovery reads it."""

import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError
from aiokafka.structs import TopicPartition

from gnomon.errors import BrokerUnavailableError
from gnomon.records import SourceRecord
from gnomon.runtime.partition.log_range import read_range
from gnomon.runtime.partition.ports import PartitionRef, RecordIds
from gnomon.runtime.partition.quarantine import read_quarantined

logger = logging.getLogger(__name__)


ReadOffsets = Callable[[Sequence[TopicPartition]], Awaitable[Mapping[TopicPartition, int]]]
"""Returns the group's committed offsets, -1 without one, when no transaction can change them any more."""


class KafkaPartitionLog:
    """A ``PartitionLog`` on a Kafka cluster."""

    def __init__(self, ref: PartitionRef, read_offsets: ReadOffsets) -> None:
        self._ref, self._read_offsets = ref, read_offsets

    async def resume_offsets(self, topics: Sequence[str]) -> dict[str, int]:
        """See ``PartitionLog``."""
        return await resume_offsets(self._ref, topics, self._read_offsets)

    def read(
        self, *, start: Mapping[str, int], end: Mapping[str, int]
    ) -> AsyncGenerator[list[SourceRecord], None]:
        """See ``PartitionLog``."""
        return read_range(
            brokers=self._ref.brokers, partition=self._ref.partition, start=start, end=end
        )

    async def read_quarantined(self, *, stage: str, since_ms: int) -> RecordIds:
        """See ``PartitionLog``."""
        return await read_quarantined(
            brokers=self._ref.brokers,
            prefix=self._ref.prefix,
            stage=stage,
            partition=self._ref.partition,
            since_ms=since_ms,
        )


async def resume_offsets(
    ref: PartitionRef, topics: Sequence[str], read_offsets: ReadOffsets
) -> dict[str, int]:
    """Ask Kafka for the next offset to read by topic.

    That is the group's committed offset, or the beginning of the log if that comes later.

    Raises:
        BrokerUnavailableError: The brokers did not answer.
    """
    tps = [TopicPartition(topic, ref.partition) for topic in topics]
    group_offsets = await read_offsets(tps)
    consumer = AIOKafkaConsumer(bootstrap_servers=ref.brokers)
    try:
        await consumer.start()
        beginnings = await consumer.beginning_offsets(tps)
    except KafkaError as error:
        raise BrokerUnavailableError(f"offsets of {ref.group}: {error!r}") from error
    finally:
        await consumer.stop()
    offsets = {}
    for tp in tps:
        committed = group_offsets.get(tp, -1)
        offsets[tp.topic] = max(committed, beginnings[tp])
        if 0 <= committed < beginnings[tp]:
            logger.error(
                "log.lost",
                extra={
                    "topic": tp.topic,
                    "partition": ref.partition,
                    "from": committed,
                    "to": beginnings[tp],
                },
            )
    return offsets
