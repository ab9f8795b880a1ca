"""Compares the events that each client process reports with those that the workers have read."""

import contextlib
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from gnomon import codec
from gnomon.connection import KafkaConnection
from gnomon.events import ClientEvent, ClientSeen, ClientStats
from gnomon.runtime.kafka.reading import partitions_of, read_topic
from gnomon.topics import CLIENT_STATS

SILENT_MS: Final = 3_600_000
"""A client process that was silent for this long counts as ended."""
SETTLED_MS: Final = 60_000
"""Time after a client's last report by which workers have reported all that they read of it; they report
every few seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientOverview:
    """One client process; counts that it has not reported itself are ``None``.

    Attributes:
        producer_id: Identifies the process.
        accepted: Events accepted from the agent.
        delivered: Events acknowledged by the broker.
        spooled: Events in its spool, by its last report.
        waiting: Events in its memory.
        failed: Events that it could not deliver and dropped.
        dropped: Events it refused: buffer full, too large, invalid, client closed, or start shed.
        received: Events the workers have read, each counted once.
        repeated: Records of events that had been read before.
        missing: Events that were sent and not read: under way, in a spool, or lost.
        lost: Missing events that will never arrive; 0 while they still may.
        ended: Whether it has reported its end.
        heard_ms: Time of the last report by it or about it, epoch milliseconds.
    """

    producer_id: str
    accepted: int | None
    delivered: int | None
    spooled: int | None
    waiting: int | None
    failed: int | None
    dropped: int | None
    received: int
    repeated: int
    missing: int
    lost: int
    ended: bool
    heard_ms: int

    def as_dict(self) -> dict[str, Any]:
        """Return a dict for JSON."""
        return asdict(self)


SUMMED: Final = (
    "accepted", "delivered", "spooled", "waiting", "failed", "dropped", "received", "repeated",
    "missing", "lost",
)  # fmt: skip


def clients(events: Iterable[ClientEvent], *, now_ms: int, behind: bool) -> list[ClientOverview]:
    """Return every known client process, the latest ``heard_ms`` first.

    Args:
        events: From client-stats; a later event of a key replaces an earlier one.
        now_ms: Epoch milliseconds.
        behind: Whether task-events has records that the features stage has not read. Then no event
            counts as lost.
    """
    stats: dict[str, ClientStats] = {}
    seen: dict[str, dict[int, ClientSeen]] = {}
    for event in events:
        if isinstance(event, ClientStats):
            stats[event.producer_id] = event
        else:
            seen.setdefault(event.producer_id, {})[event.partition] = event
    found = [
        _client(
            producer_id,
            stats.get(producer_id),
            list(seen.get(producer_id, {}).values()),
            now_ms=now_ms,
            behind=behind,
        )
        for producer_id in stats.keys() | seen.keys()
    ]
    return sorted(found, key=lambda client: (-client.heard_ms, client.producer_id))


def totals(found: Iterable[ClientOverview]) -> dict[str, int]:
    """Add up each figure over the clients that have reported it."""
    rows = list(found)
    return {name: sum(getattr(row, name) or 0 for row in rows) for name in SUMMED}


async def read_clients(*, kafka: KafkaConnection, prefix: str) -> list[ClientEvent]:
    """Read all valid events of client-stats; none if there is no such topic yet.

    Raises:
        BrokerUnavailableError: No broker answers.
    """
    topic = prefix + CLIENT_STATS.name
    if not await partitions_of(kafka, [topic]):
        return []
    events: list[ClientEvent] = []
    async for record in read_topic(kafka=kafka, topic=topic, follow=False):
        # Any client may write to this topic; invalid events must not hide the valid ones.
        with contextlib.suppress(*codec.UNDECODABLE):
            events.append(codec.decode_client_event(record.value or b""))
    return events


def _client(
    producer_id: str,
    stats: ClientStats | None,
    seen: Sequence[ClientSeen],
    *,
    now_ms: int,
    behind: bool,
) -> ClientOverview:
    received = sum(part.received for part in seen)
    # The client's own count includes events that have not arrived, but may be a minute old.
    sent = max([part.last_seq + 1 for part in seen] + ([stats.sent] if stats else []))
    missing = max(0, sent - received)
    heard_ms = max([part.as_of_ms for part in seen] + ([stats.at_ms] if stats else []))
    ended = stats is not None and stats.ended
    over = not behind and now_ms - heard_ms >= (SETTLED_MS if ended else SILENT_MS)
    return ClientOverview(
        producer_id=producer_id,
        accepted=None if stats is None else stats.accepted,
        delivered=None if stats is None else stats.delivered,
        spooled=None if stats is None else stats.spooled,
        waiting=None if stats is None else stats.waiting,
        failed=None if stats is None else stats.failed,
        dropped=None if stats is None else _dropped(stats),
        received=received,
        repeated=sum(part.repeated for part in seen),
        missing=missing,
        lost=max(0, missing - (stats.spooled if stats else 0)) if over else 0,
        ended=ended,
        heard_ms=heard_ms,
    )


def _dropped(stats: ClientStats) -> int:
    return (
        stats.dropped_full
        + stats.dropped_oversize
        + stats.dropped_invalid
        + stats.dropped_closed
        + stats.shed_starts
    )
