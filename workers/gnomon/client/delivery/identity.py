"""The identity of an event: which process sent it, and its number there; and the tenant it is for.

It is spliced into the encoded bytes as the event leaves the buffer, so that the agent's call does
not pay for it and ``seq`` counts exactly the events that left the buffer, in that order.
"""

import os
import re
from collections.abc import Iterable
from typing import Final

from gnomon.client.records import Record

MOST_BYTES: Final = 132
"""The most bytes that a tenant and an identity add to an event."""
_TAIL: Final = re.compile(rb',"producer_id":"((?:[^"\\]|\\.)*)","seq":(?:0|[1-9][0-9]*)\}\Z')
_TENANT: Final = re.compile(rb',"tenant":"(?:[^"\\]|\\.)*"\}\Z')
"""The last field of an event without an identity, by the order of the fields in ``gnomon.events``."""
_TAIL_BYTES: Final = 900
"""More than the longest identity of the contract: 64 characters of at most 12 bytes."""


def splice(value: bytes, *, producer_id: str, seq: int, tenant: bytes = b"") -> bytes:
    """Return ``value``, an encoded event, with an identity in place of its closing brace.

    Args:
        value: The event.
        producer_id: The client in one process.
        seq: Number of the event.
        tenant: The field ``tenant`` as ``tenant_field`` returns it; left out where the event has one.
    """
    if tenant and _TENANT.search(value, max(0, len(value) - _TAIL_BYTES)):
        tenant = b""
    identity = (value[:-1], tenant, producer_id.encode(), seq)
    return b'%b%b,"producer_id":"%b","seq":%d}' % identity


def tenant_field(tenant: str) -> bytes:
    """Return the encoded field ``tenant`` with the comma before it; nothing if there is no tenant."""
    return b',"tenant":"%b"' % tenant.encode("ascii") if tenant else b""


def producer_of(value: bytes) -> str | None:
    """Return the producer id of an encoded event as it is written there, or ``None``.

    An identity is an event's last two fields, by the order of the fields in ``gnomon.events``. A
    mapping at the end would close with a brace of its own, so an agent's value that looks like an
    identity is never taken for one.
    """
    if value.rfind(b',"seq":', -40) < 0:
        return None
    found = _TAIL.search(value, max(0, len(value) - _TAIL_BYTES))
    return found[1].decode() if found else None


class Identity:
    """The identity of one client in one process; a forked child makes another.

    Args:
        tenant: Put on each event that names no tenant.

    Attributes:
        producer_id: 16 random hexadecimal digits.
        sent: How many events have been numbered: they have the numbers 0 to ``sent - 1``.
    """

    __slots__ = ("_tenant", "producer_id", "sent")

    def __init__(self, *, tenant: str = "") -> None:
        self._tenant = tenant_field(tenant)
        self.producer_id = os.urandom(8).hex()
        self.sent = 0

    def put_on(self, records: Iterable[Record]) -> list[Record]:
        """Return the same events, each with an identity: its own if it has one already."""
        return [self._put_on(record) for record in records]

    def _put_on(self, record: Record) -> Record:
        if producer_of(record.value) is not None:
            return record
        value = splice(
            record.value, producer_id=self.producer_id, seq=self.sent, tenant=self._tenant
        )
        self.sent += 1
        return Record(record.key, value)
