"""One fetched batch of one partition, passed through Faust as if it were a single record."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import faust
from faust.types import TP

from gnomon.records import SourceRecord


@dataclass(frozen=True, slots=True)
class Batch:
    """All records of one partition that one fetch returned, standing in for a single record.

    The attributes Faust reads are those of the last record. ``start`` is where the batch before
    this one ended, or where reading began: nothing from there to the last record is missing here.
    """

    records: Sequence[SourceRecord]
    start: int
    topic: str
    partition: int
    offset: int
    timestamp: int
    timestamp_type: int = 0
    headers: Sequence[tuple[str, bytes]] = ()
    key: bytes | None = None
    checksum: int | None = None
    serialized_key_size: int = 0
    serialized_value_size: int = 0

    @property
    def value(self) -> "Batch":
        """The batch itself: the schema passes it through."""
        return self


class BatchScheduler:
    """Yields every partition's batch as one item instead of its records one by one."""

    def iterate(self, batches: Mapping[TP, Batch]) -> Iterator[tuple[TP, Batch]]:
        """One ``(partition, batch)`` for each partition that has records."""
        yield from batches.items()


class BatchSchema(faust.Schema[Any, Any]):
    """Passes the batch to the agent undecoded."""

    def compile(self, app: Any, **_: Any) -> Any:
        """Return the decoder of one message: the value as it is."""
        create_event = app.create_event

        async def decode(message: Any, *, propagate: bool = False) -> Any:
            return create_event(None, message.value, message.headers, message)

        return decode
