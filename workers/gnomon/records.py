"""What a stage is given and what it gives back, free of any Kafka client.

A stage's batch function takes the state of one partition and the records of one fetched batch,
and returns ``Outputs``. The runtime writes those to the same partition number of each output
topic, so records keyed by ``agent_id`` stay together whatever partitioner the producer used;
only a stage that makes the keys itself has them partitioned by key.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

Headers = Sequence[tuple[str, bytes]]
REDRIVEN: Final = "gnomon-redriven"
"""Header of a record sent back to its topic: partition and offset of its dead letter."""
Keyed = tuple[bytes | None, bytes | None]
"""Key and value of one record to write; a value of ``None`` is a tombstone."""


class SourceRecord(Protocol):
    """One record as it was read. Shaped like aiokafka's, so that nothing is copied.

    ``timestamp`` is the time the broker appended it (task-events) or the sender's.
    """

    @property
    def topic(self) -> str:
        """Full name, with the installation's prefix."""
        ...

    @property
    def partition(self) -> int:
        """Number."""
        ...

    @property
    def offset(self) -> int:
        """In its partition."""
        ...

    @property
    def timestamp(self) -> int:
        """Epoch milliseconds."""
        ...

    @property
    def key(self) -> bytes | None:
        """As it was written."""
        ...

    @property
    def value(self) -> bytes | None:
        """As it was written; ``None`` is a tombstone."""
        ...

    @property
    def headers(self) -> Headers:
        """In their order."""
        ...


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A record that no stage can process, as it came, and why."""

    record: SourceRecord
    reason: str
    detail: str = ""


@dataclass(slots=True)
class Outputs:
    """What one batch of one partition leads to. ``by_topic`` has base names, without prefix.

    The records of the topics in ``by_key`` go where Kafka's own partitioner puts their keys.
    """

    by_topic: dict[str, list[Keyed]] = field(default_factory=dict)
    dead: list[DeadLetter] = field(default_factory=list)
    by_key: set[str] = field(default_factory=set)

    def topic(self, name: str) -> list[Keyed]:
        """The list of records to write to ``name``, to be appended to."""
        return self.by_topic.setdefault(name, [])
