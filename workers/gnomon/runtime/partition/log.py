"""The log of one partition in Kafka, as recovery reads it."""

import logging
from collections.abc import AsyncGenerator, Mapping, Sequence

from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from aiokafka.structs import TopicPartition

from gnomon.errors import BrokerUnavailableError
from gnomon.records import SourceRecord
from gnomon.runtime.partition.log_range import read_range
from gnomon.runtime.partition.ports import PartitionRef, RecordIds
from gnomon.runtime.partition.quarantine import read_quarantined

logger = logging.getLogger(__name__)


class KafkaPartitionLog:
    """A ``PartitionLog`` on a Kafka cluster."""

    def __init__(self, ref: PartitionRef) -> None:
        self._ref = ref

    async def resume_offsets(self, topics: Sequence[str]) -> dict[str, int]:
        """See ``PartitionLog``."""
        return await resume_offsets(self._ref, topics)

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


async def resume_offsets(ref: PartitionRef, topics: Sequence[str]) -> dict[str, int]:
    """Ask Kafka for the next offset to read by topic.

    That is the group's committed offset, or the beginning of the log if that comes later.

    Raises:
        BrokerUnavailableError: The brokers did not answer.
    """
    tps = [TopicPartition(topic, ref.partition) for topic in topics]
    admin = AIOKafkaAdminClient(bootstrap_servers=ref.brokers)
    consumer = AIOKafkaConsumer(bootstrap_servers=ref.brokers)
    try:
        await admin.start()
        await consumer.start()
        group_offsets = await admin.list_consumer_group_offsets(ref.group, partitions=tps)
        beginnings = await consumer.beginning_offsets(tps)
    except KafkaError as error:
        raise BrokerUnavailableError(f"offsets of {ref.group}: {error!r}") from error
    finally:
        await consumer.stop()
        await admin.close()
    offsets = {}
    for tp in tps:
        committed = group_offsets[tp].offset if tp in group_offsets else -1
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
