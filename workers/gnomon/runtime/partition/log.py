"""The log of one partition in Kafka, as recovery reads it."""

import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence

from aiokafka.errors import KafkaError
from aiokafka.structs import TopicPartition

from gnomon.connection.refusals import unavailable
from gnomon.records import SourceRecord
from gnomon.runtime.partition.log_range import read_range
from gnomon.runtime.partition.ports import PartitionRef, RecordIds
from gnomon.runtime.partition.quarantine import read_quarantined

logger = logging.getLogger(__name__)


ReadOffsets = Callable[[Sequence[TopicPartition]], Awaitable[Mapping[TopicPartition, int]]]
"""Returns the group's committed offsets, -1 without one, when no transaction can change them any more."""
ReadBeginnings = Callable[[Sequence[TopicPartition]], Awaitable[Mapping[TopicPartition, int]]]
"""Returns the offset at which the log of each partition begins."""


class KafkaPartitionLog:
    """A ``PartitionLog`` on a Kafka cluster.

    Args:
        ref: Which partition.
        read_offsets: Asks the group coordinator.
        read_beginnings: Asks the leaders.
    """

    def __init__(
        self, ref: PartitionRef, *, read_offsets: ReadOffsets, read_beginnings: ReadBeginnings
    ) -> None:
        self._ref = ref
        self._read_offsets, self._read_beginnings = read_offsets, read_beginnings

    async def resume_offsets(self, topics: Sequence[str]) -> dict[str, int]:
        """See ``PartitionLog``."""
        tps = [TopicPartition(topic, self._ref.partition) for topic in topics]
        committed = await self._read_offsets(tps)
        try:
            beginnings = await self._read_beginnings(tps)
        except KafkaError as error:
            raise unavailable(f"beginnings of {topics}", error) from error
        return {tp.topic: _resume_offset(tp, committed.get(tp, -1), beginnings[tp]) for tp in tps}

    def read(
        self, *, start: Mapping[str, int], end: Mapping[str, int]
    ) -> AsyncGenerator[list[SourceRecord], None]:
        """See ``PartitionLog``."""
        return read_range(
            kafka=self._ref.kafka, partition=self._ref.partition, start=start, end=end
        )

    async def read_quarantined(self, *, stage: str, since_ms: int) -> RecordIds:
        """See ``PartitionLog``."""
        return await read_quarantined(
            kafka=self._ref.kafka,
            prefix=self._ref.prefix,
            stage=stage,
            partition=self._ref.partition,
            since_ms=since_ms,
        )


def _resume_offset(tp: TopicPartition, committed: int, beginning: int) -> int:
    """The committed offset, or the beginning of the log if that comes later."""
    if 0 <= committed < beginning:
        logger.error(
            "log.lost",
            extra={
                "topic": tp.topic,
                "partition": tp.partition,
                "from": committed,
                "to": beginning,
            },
        )
    return max(committed, beginning)
