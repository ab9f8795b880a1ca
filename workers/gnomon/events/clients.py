"""How client processes stand: what they sent, and what of it was read."""

import msgspec

from gnomon.events.field_types import Count, EpochMs, ProducerId


class ClientStats(
    msgspec.Struct, frozen=True, kw_only=True, gc=False, tag_field="kind", tag="client_stats.v1"
):
    """What one client process says became of the events it was given, since it began.

    ``sent`` events have a ``seq``: 0 to ``sent - 1``. What was refused or dropped has none.
    ``accepted = delivered + failed + spooled + waiting``; ``replayed`` are events of an earlier
    process, from its spool, under their own ``producer_id``.
    """

    producer_id: ProducerId
    at_ms: EpochMs
    sent: Count
    accepted: Count
    delivered: Count
    failed: Count
    spooled: Count
    replayed: Count
    waiting: Count
    dropped_full: Count
    dropped_oversize: Count
    dropped_invalid: Count
    dropped_closed: Count
    shed_starts: Count
    ended: bool = False


class ClientSeen(
    msgspec.Struct, frozen=True, kw_only=True, gc=False, tag_field="kind", tag="client_seen.v1"
):
    """What the workers have read of one client process in one partition of task-events.

    Over all partitions the largest ``last_seq + 1`` less the sum of ``received`` is what is
    missing: on its way, in a spool, or lost.
    """

    producer_id: ProducerId
    partition: Count
    received: Count
    repeated: Count
    last_seq: Count
    as_of_ms: EpochMs


ClientEvent = ClientStats | ClientSeen
