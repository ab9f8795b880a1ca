"""What became of the log of task-events: records that were removed, and topics that were made again.

The oracle needs the records that are no longer in Kafka, where no worker read them, and which records of
the outputs were written before.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol


class InPartition(Protocol):
    """What has a place in a partition."""

    @property
    def partition(self) -> int: ...

    @property
    def offset(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Hole:
    """Offsets of a partition that were removed before any worker read them.

    Attributes:
        life: Of the topic.
        partition: Which.
        start: First offset that is missing.
        stop: First offset that is there.
        agents_told: End of the same partition of agent-features when the records were removed.
    """

    life: int
    partition: int
    start: int
    stop: int
    agents_told: int


@dataclass(slots=True)
class History:
    """The past of task-events, while faults happen.

    Attributes:
        life: How often the topic was made again.
        removed: Records that are no longer in Kafka, with the life of their topic.
        holes: Those that were never read.
        begins: By topic, life and partition, the end of an output topic when the life began.
    """

    life: int = 0
    removed: list[tuple[int, Any]] = field(default_factory=list)
    holes: list[Hole] = field(default_factory=list)
    begins: dict[tuple[str, int, int], int] = field(default_factory=dict)

    @property
    def torn(self) -> frozenset[int]:
        """Partitions whose log has no beginning any more: their states cannot be folded from it."""
        return frozenset(hole.partition for hole in self.holes if hole.life == self.life)

    def whole(self, left: Iterable[Any]) -> list[tuple[int, Any]]:
        """Return all records that ever were in the log; ``left`` are those in Kafka."""
        return [*self.removed, *((self.life, record) for record in left)]

    def unread(self, life: int, record: InPartition) -> bool:
        """Return whether no worker has read a record."""
        return any(
            (hole.life, hole.partition) == (life, record.partition)
            and hole.start <= record.offset < hole.stop
            for hole in self.holes
        )

    def life_of(self, topic: str, record: InPartition) -> int:
        """Return the life of task-events in which an output was written."""
        begun = [
            life
            for (name, life, partition), offset in self.begins.items()
            if (name, partition) == (topic, record.partition) and record.offset >= offset
        ]
        return max(begun, default=0)

    def write(self, folder: Path) -> None:
        """Write ``holes.jsonl``, for the verifier."""
        rows = [
            {
                "partition": hole.partition,
                "life": hole.life,
                "start": hole.start,
                "stop": hole.stop,
                "agents_told": hole.agents_told,
            }
            for hole in self.holes
        ]
        (folder / "holes.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
