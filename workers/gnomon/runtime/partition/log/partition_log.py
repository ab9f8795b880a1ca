"""The log of one partition in Kafka, as recovery reads it."""

import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from aiokafka.errors import KafkaError
from aiokafka.structs import TopicPartition

from gnomon.connection.refusals import unavailable
from gnomon.errors import LostRecordsError
from gnomon.records import SourceRecord
from gnomon.runtime.kafka.leaders import Leaders
from gnomon.runtime.partition.log.log_range import read_range
from gnomon.runtime.partition.log.quarantine import read_quarantined
from gnomon.runtime.partition.ports import LogFacts, PartitionRef, RecordIds

logger = logging.getLogger(__name__)


ReadOffsets = Callable[[Sequence[TopicPartition]], Awaitable[Mapping[TopicPartition, int]]]
"""Returns the group's committed offsets, -1 without one, when no transaction can change them any more."""


class KafkaPartitionLog:
    """A ``PartitionLog`` on a Kafka cluster.

    Args:
        ref: Which partition.
        read_offsets: Asks the group coordinator.
        leaders: Asks the leaders.
    """

    def __init__(self, ref: PartitionRef, *, read_offsets: ReadOffsets, leaders: Leaders) -> None:
        self._ref, self._read_offsets, self._leaders = ref, read_offsets, leaders

    async def resume_offsets(self, topics: Sequence[str]) -> dict[str, int]:
        """See ``PartitionLog``."""
        tps = self._partitions(topics)
        committed = await self._read_offsets(tps)
        with _answered(topics):
            beginnings, ends = await self._leaders.beginnings(tps), await self._leaders.ends(tps)
        return {
            tp.topic: _resume_offset(
                tp, committed.get(tp, -1), beginning=beginnings[tp], end=ends[tp]
            )
            for tp in tps
        }

    async def describe(self, topics: Sequence[str]) -> LogFacts:
        """See ``PartitionLog``."""
        tps = self._partitions(topics)
        with _answered(topics):
            beginnings = await self._leaders.beginnings(tps)
            known = await self._leaders.topics(topics)
        logs = {topic: known[topic].log for topic in topics if topic in known}
        return LogFacts(
            logs if len(logs) == len(topics) and all(logs.values()) else {},
            {tp.topic: offset for tp, offset in beginnings.items()},
        )

    async def older_than(self, topics: Sequence[str], at_ms: int) -> bool:
        """See ``PartitionLog``."""
        if not topics:
            return True
        tps = self._partitions(topics)
        with _answered(topics):
            beginnings, ends = await self._leaders.beginnings(tps), await self._leaders.ends(tps)
            since = await self._leaders.first_since(tps, at_ms)
        return all(
            beginnings[tp] < ends[tp] and (first is None or first > beginnings[tp])
            for tp, first in since.items()
        )

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

    def _partitions(self, topics: Sequence[str]) -> list[TopicPartition]:
        return [TopicPartition(topic, self._ref.partition) for topic in topics]


@contextmanager
def _answered(topics: Sequence[str]) -> Iterator[None]:
    try:
        yield
    except KafkaError as error:
        raise unavailable(", ".join(topics), error) from error


def _resume_offset(tp: TopicPartition, committed: int, *, beginning: int, end: int) -> int:
    """The committed offset, or the beginning of the log if that comes later."""
    if committed > end:
        raise LostRecordsError(
            f"{tp.topic}[{tp.partition}]: offset {committed} was committed, but the log ends at {end}: it"
            " has lost records, or it was made again. If this lasts, stop the workers and reset the"
            " group's offsets with kafka-consumer-groups.sh --reset-offsets --to-earliest"
        )
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
