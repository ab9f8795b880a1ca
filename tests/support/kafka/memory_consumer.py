"""A consumer on topics in memory, with the methods of aiokafka's that recovery uses.

Its log has what a real one has beside records: ends of transactions, aborted records, and a beginning
that retention has moved.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from aiokafka.errors import KafkaConnectionError
from aiokafka.structs import TopicPartition
from tests.support.kafka.memory_partition import Record


@dataclass
class MemoryTopics:
    """What the broker has.

    Attributes:
        records: Visible records by partition; an offset without one is not visible.
        ends: Offset after the last entry of each log.
        beginnings: First offset of each log; 0 where it is missing.
        hidden_from: Offset from which on nothing can be read yet, as of an open transaction.
        down: Whether nothing answers.
        running: Consumers that are started and not stopped.
    """

    records: dict[TopicPartition, list[Record]]
    ends: dict[TopicPartition, int]
    beginnings: dict[TopicPartition, int] = field(default_factory=dict)
    hidden_from: int | None = None
    down: bool = False
    running: int = 0

    def consumer(self, *_: object, **__: object) -> "MemoryConsumer":
        """In place of ``aiokafka_clients.consumer``."""
        return MemoryConsumer(self)


class MemoryConsumer:
    """One consumer, which fetches up to five offsets at a time."""

    def __init__(self, topics: MemoryTopics) -> None:
        self._topics = topics
        self._positions: dict[TopicPartition, int] = {}
        self._started = False

    async def start(self) -> None:
        if self._topics.down:
            raise KafkaConnectionError("down")
        self._started = True
        self._topics.running += 1

    async def stop(self) -> None:
        self._topics.running -= self._started
        self._started = False

    def assign(self, tps: Sequence[TopicPartition]) -> None:
        self._positions = dict.fromkeys(tps, 0)

    def seek(self, tp: TopicPartition, offset: int) -> None:
        self._positions[tp] = offset

    async def position(self, tp: TopicPartition) -> int:
        return self._positions[tp]

    async def beginning_offsets(self, tps: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        return {tp: self._topics.beginnings.get(tp, 0) for tp in tps}

    async def end_offsets(self, tps: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        return {tp: self._topics.ends[tp] for tp in tps}

    async def offsets_for_times(self, times: Mapping[TopicPartition, int]) -> dict[Any, Any]:
        if min(times.values()) < 0:
            raise ValueError("a time cannot be negative")  # as aiokafka does
        return {
            tp: next(
                (
                    SimpleNamespace(offset=record.offset)
                    for record in self._topics.records[tp]
                    if record.timestamp >= at_ms
                ),
                None,
            )
            for tp, at_ms in times.items()
        }

    async def getmany(
        self, tp: TopicPartition, *, timeout_ms: int, max_records: int
    ) -> dict[TopicPartition, list[Record]]:
        start, hidden_from = self._positions[tp], self._topics.hidden_from
        stop = min(start + 5, self._topics.ends[tp])
        if hidden_from is not None:
            stop = max(start, min(stop, hidden_from))
        found = [r for r in self._topics.records[tp] if start <= r.offset < stop][:max_records]
        self._positions[tp] = stop
        return {tp: found} if found else {}
