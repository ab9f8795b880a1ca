"""What a client's process says of itself to the workers: its figures, now and then."""

import time
from collections.abc import Callable
from typing import Final

from gnomon import codec
from gnomon.client.delivery.buffer import Buffer, Record
from gnomon.client.delivery.identity import Identity
from gnomon.client.delivery.ports import Producer
from gnomon.events import ClientStats

EVERY_S: Final = 60.0
NS_PER_MS: Final = 1_000_000


class Bulletin:
    """Publishes ``ClientStats``, once there is something to say. Used by the drain thread only.

    Args:
        buffer: Where events are counted.
        identity: Who sent how many.
        topic: Where to; empty: nothing is published.
        clock_s: Monotonic.
        clock_ns: Since 1970.
    """

    def __init__(
        self,
        buffer: Buffer,
        identity: Identity,
        topic: str,
        *,
        clock_s: Callable[[], float] = time.monotonic,
        clock_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._buffer, self._identity, self._topic = buffer, identity, topic
        self._clock_s, self._clock_ns = clock_s, clock_ns
        self._next_s = clock_s() + EVERY_S

    def now_and_then(self, producer: Producer) -> None:
        """Publish if it is time to."""
        if self._topic and self._identity.sent and self._clock_s() >= self._next_s:
            self._next_s = self._clock_s() + EVERY_S
            self._tell(producer, ended=False)

    def last(self, producer: Producer) -> None:
        """Publish that nothing more will come."""
        if self._topic and self._identity.sent:
            self._tell(producer, ended=True)

    def _tell(self, producer: Producer, *, ended: bool) -> None:
        identity, stats = self._identity, self._buffer.stats()
        told = ClientStats(
            producer_id=identity.producer_id,
            at_ms=self._clock_ns() // NS_PER_MS,
            sent=identity.sent,
            accepted=stats.accepted,
            delivered=stats.delivered,
            failed=stats.failed,
            spooled=stats.spooled,
            replayed=stats.replayed,
            waiting=stats.buffered + stats.in_flight,
            dropped_full=stats.dropped_full,
            dropped_oversize=stats.dropped_oversize,
            dropped_invalid=stats.dropped_invalid,
            dropped_closed=stats.dropped_closed,
            shed_starts=stats.shed_starts,
            ended=ended,
        )
        producer.tell(self._topic, Record(identity.producer_id.encode(), codec.encode(told)))
