"""Records of a test, and a topic of them in memory."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from gnomon.errors import BrokerUnavailableError
from gnomon.records import Headers


@dataclass(frozen=True)
class Record:
    """A ``SourceRecord``."""

    offset: int
    value: bytes | None
    topic: str = "in"
    partition: int = 0
    timestamp: int = 0
    key: bytes | None = None
    headers: Headers = ()


class TopicInMemory:
    """A topic that any number of readers follow.

    Attributes:
        records: All records, in order.
        away: Set it to make readers find no broker.
    """

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.away = False
        self._grown = asyncio.Event()

    def write(self, key: bytes | None, value: bytes | None, partition: int = 0) -> None:
        """Append a record."""
        self.records.append(Record(len(self.records), value, partition=partition, key=key))
        self._grown.set()

    async def read(self, *, follow: bool) -> AsyncIterator[Any]:
        """Yield all records, and wait for more at the end if ``follow``."""
        if self.away:
            raise BrokerUnavailableError("away")
        at = 0
        while True:
            while at < len(self.records):
                yield self.records[at]
                at += 1
            if not follow:
                return
            self._grown.clear()
            await self._grown.wait()
