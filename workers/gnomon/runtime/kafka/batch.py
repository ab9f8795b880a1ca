"""What one fetch has returned, passed through Faust as if it were a single record."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import faust
from faust.types import TP

from gnomon.records import SourceRecord


@dataclass(frozen=True, slots=True)
class Batch:
    """All records of one partition that one fetch returned.

    ``start`` is the offset at which the batch before this one ended, or at which reading began: no record
    between ``start`` and the last record is missing.
    """

    records: Sequence[SourceRecord]
    start: int
    topic: str
    partition: int


@dataclass(frozen=True, slots=True)
class Fetched:
    """The batches of all partitions that one fetch returned.

    The other attributes are those that Faust reads of a record; they are of the last record of one of the
    batches.
    """

    batches: Sequence[Batch]
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
    def value(self) -> Sequence[Batch]:
        """The batches, which the schema passes through."""
        return self.batches


class FetchScheduler:
    """Yields what a fetch returned as one item, where Faust would yield single records."""

    def iterate(self, fetched: Mapping[TP, Fetched]) -> Iterator[tuple[TP, Fetched]]:
        """Yield ``(partition, fetched)``."""
        yield from fetched.items()


class BatchSchema(faust.Schema[Any, Any]):
    """Passes the batches to the agent undecoded."""

    def compile(self, app: Any, **_: Any) -> Any:
        """Return a decoder that leaves the value as it is."""
        create_event = app.create_event

        async def decode(message: Any, *, propagate: bool = False) -> Any:
            return create_event(None, message.value, message.headers, message)

        return decode
