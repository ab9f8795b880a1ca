"""Who sent an event, and as which of how many: put on as the event leaves the buffer.

By splicing into the encoded bytes, so that the agent's call does not pay for it, and so that
``seq`` counts exactly what left the buffer, in that order.
"""

import os
import re
from collections.abc import Iterable
from typing import Final

from gnomon.client.delivery.buffer import Record

MOST_BYTES: Final = 56
"""What an identity adds to an event at most."""
_TAIL: Final = re.compile(rb',"producer_id":"((?:[^"\\]|\\.)*)","seq":(?:0|[1-9][0-9]*)\}\Z')
_TAIL_BYTES: Final = 900
"""More than the longest identity of the contract: 64 characters of at most 12 bytes."""


def splice(value: bytes, *, producer_id: str, seq: int) -> bytes:
    """``value``, an encoded event, with an identity in place of its closing brace."""
    return b'%b,"producer_id":"%b","seq":%d}' % (value[:-1], producer_id.encode(), seq)


def producer_of(value: bytes) -> str | None:
    """The producer id of an encoded event that has an identity, as it is written there.

    An identity is an event's last two fields, by the order of the fields in ``gnomon.events``. A
    mapping at the end would close with a brace of its own, so what an agent says is never taken
    for one.
    """
    if value.rfind(b',"seq":', -40) < 0:
        return None
    found = _TAIL.search(value, max(0, len(value) - _TAIL_BYTES))
    return found[1].decode() if found else None


class Identity:
    """That of one client in one process; a forked child makes another.

    Attributes:
        producer_id: 16 hexadecimal digits, by chance.
        sent: How many events have one of its numbers: 0 to ``sent - 1``.
    """

    __slots__ = ("producer_id", "sent")

    def __init__(self) -> None:
        self.producer_id = os.urandom(8).hex()
        self.sent = 0

    def put_on(self, records: Iterable[Record]) -> list[Record]:
        """The same events, each with an identity: its own if it came with one."""
        return [self._put_on(record) for record in records]

    def _put_on(self, record: Record) -> Record:
        if producer_of(record.value) is not None:
            return record
        value = splice(record.value, producer_id=self.producer_id, seq=self.sent)
        self.sent += 1
        return Record(record.key, value)
