"""Delivery counts of client processes: what each one sent, and what the workers read of it."""

import msgspec

from gnomon.events.field_types import Count, EpochMs, ProducerId


class ClientStats(
    msgspec.Struct, frozen=True, kw_only=True, gc=False, tag_field="kind", tag="client_stats.v1"
):
    """Counts of the events of one client process since it started, as the client reports them.

    ``sent`` events have a ``seq`` from 0 to ``sent - 1``. A refused or dropped event has no
    ``seq``. ``accepted = delivered + failed + spooled + waiting``. ``replayed`` events were
    spooled by an earlier process and keep that process's ``producer_id``.
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

    The number of missing events is the largest ``last_seq + 1`` of all partitions minus the sum
    of ``received``. A missing event is under way, in a spool, or lost.
    """

    producer_id: ProducerId
    partition: Count
    received: Count
    repeated: Count
    last_seq: Count
    as_of_ms: EpochMs


ClientEvent = ClientStats | ClientSeen
