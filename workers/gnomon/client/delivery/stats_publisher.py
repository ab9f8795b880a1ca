"""Publishes a client's counts to the workers, once a minute and at the end."""

import time
from collections.abc import Callable
from typing import Final

from gnomon import codec
from gnomon.client.delivery.buffer import Buffer
from gnomon.client.delivery.identity import Identity
from gnomon.client.delivery.ports import Producer
from gnomon.client.records import Record
from gnomon.events import ClientStats

EVERY_S: Final = 60.0
NS_PER_MS: Final = 1_000_000


class StatsPublisher:
    """Publishes ``ClientStats`` once the client has sent an event. Used by the drain thread only.

    Args:
        buffer: Its counts are published.
        identity: The client's producer id, and how many events it has numbered.
        topic: Topic of the stats; empty to publish none.
        clock_s: Monotonic clock in seconds.
        clock_ns: Nanoseconds since 1970.
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

    def publish_if_due(self, producer: Producer) -> None:
        """Publish if a minute has passed."""
        if self._topic and self._identity.sent and self._clock_s() >= self._next_s:
            self._next_s = self._clock_s() + EVERY_S
            self._publish(producer, ended=False)

    def publish_final(self, producer: Producer) -> None:
        """Publish that no more events will come."""
        if self._topic and self._identity.sent:
            self._publish(producer, ended=True)

    def _publish(self, producer: Producer, *, ended: bool) -> None:
        identity, stats = self._identity, self._buffer.stats()
        event = ClientStats(
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
        record = Record(identity.producer_id.encode(), codec.encode(event))
        producer.produce_untracked(self._topic, record)
