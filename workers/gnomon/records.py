"""The input and output types of a stage, independent of any Kafka client.

A stage's batch function takes the state of one partition and the records of one fetched batch, and
returns ``Outputs``. The runtime writes those to the same partition number of each output topic, so
records with the same ``agent_id`` stay together whatever partitioner the producer used. Only a stage
that makes new keys has its records partitioned by key.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

Headers = Sequence[tuple[str, bytes]]
REDRIVEN: Final = "gnomon-redriven"
"""Header of a redriven record: partition and offset of its dead letter."""
Keyed = tuple[bytes | None, bytes | None]
"""Key and value of one record to write; a value of ``None`` is a tombstone."""


class SourceRecord(Protocol):
    """One record that was read. It has the attributes of aiokafka's records, so nothing is copied.

    ``timestamp`` is the time at which the broker appended it (task-events) or the sender's time.
    """

    @property
    def topic(self) -> str:
        """Full name, with the installation's prefix."""
        ...

    @property
    def partition(self) -> int:
        """Partition number."""
        ...

    @property
    def offset(self) -> int:
        """Offset in its partition."""
        ...

    @property
    def timestamp(self) -> int:
        """Epoch milliseconds."""
        ...

    @property
    def key(self) -> bytes | None:
        """Key as written."""
        ...

    @property
    def value(self) -> bytes | None:
        """Value as written; ``None`` is a tombstone."""
        ...

    @property
    def headers(self) -> Headers:
        """Headers in order."""
        ...


def one_topic(records: Sequence[SourceRecord]) -> str | None:
    """Return the topic of all of ``records`` if they know it together: packed records do, and have no objects yet."""
    topic: str | None = getattr(records, "topic", None)
    return topic


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A record that a stage cannot process, unchanged, and the reason."""

    record: SourceRecord
    reason: str
    detail: str = ""


@dataclass(slots=True)
class Outputs:
    """What one batch of one partition leads to.

    Attributes:
        by_topic: Records to write, by base topic name, without prefix.
        dead: Dead letters to write.
        by_key: Those topics whose records Kafka's default partitioner places by key.
        trace_id: A trace in which the batch came about, as an example for metrics.
    """

    by_topic: dict[str, list[Keyed]] = field(default_factory=dict)
    dead: list[DeadLetter] = field(default_factory=list)
    by_key: set[str] = field(default_factory=set)
    trace_id: str | None = field(default=None, compare=False)

    def topic(self, name: str) -> list[Keyed]:
        """Return the list of records to write to topic ``name``, to append to."""
        return self.by_topic.setdefault(name, [])

    def add(self, name: str, records: list[Keyed]) -> None:
        """Add records to write to topic ``name``: a list, or the rows that compiled modules have in its place.

        They belong to these outputs from now on.
        """
        known = self.by_topic.get(name)
        if not known:
            self.by_topic[name] = records
        elif type(known) is type(records):
            known.extend(records)
        else:  # packed rows have no ``None``
            self.by_topic[name] = [*known, *records]

    def extend(self, more: "Outputs") -> None:
        """Add the records and dead letters of ``more``, which is not used any more, after those that are here."""
        for name, records in more.by_topic.items():
            self.add(name, records)
        self.dead += more.dead
        self.by_key |= more.by_key
