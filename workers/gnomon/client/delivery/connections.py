"""Clients with the same brokers share one connection to them, and nothing else.

All of it belongs to the background thread.
"""

import time
from collections.abc import Iterable
from functools import partial
from typing import Final

from gnomon.client.delivery.buffer import Record
from gnomon.client.delivery.native import start_thread
from gnomon.client.delivery.ports import Fault, Handle, Outcomes

PURGE_S: Final = 0.1
"""For so long after a purge nothing is sent: it would be purged too, but not what comes behind it."""


def open_kafka(brokers: tuple[str, ...]) -> Handle:
    """A handle of librdkafka's.

    Raises:
        UnavailableError: It cannot be made.
    """
    from gnomon.client.delivery.librdkafka import KafkaHandle  # noqa: PLC0415  slow: not the agent's time

    return KafkaHandle(brokers)


class Handles:
    """The handles of a process, by their brokers."""

    def __init__(self) -> None:
        self._common: dict[frozenset[str], _Common] = {}

    def share(self, brokers: tuple[str, ...], topic: str) -> "Share":
        """A share of the handle for ``brokers``, which is made if there is none of use.

        Raises:
            UnavailableError: It cannot be made.
        """
        self._common = {key: one for key, one in self._common.items() if not one.spent}
        key = frozenset(brokers)
        common = self._common.get(key)
        if common is None:
            common = self._common[key] = _Common(open_kafka(brokers))
        return Share(common, topic)


class _Common:
    """A handle and those who share it.

    Attributes:
        spent: Whether whoever comes needs another: this one is closed, or of no use to one of
            those who share it. The others go on with it.
    """

    def __init__(self, handle: Handle) -> None:
        self.handle = handle
        self.shares: list[Share] = []
        self.spent = False
        self._closed_until_s = float("-inf")

    @property
    def takes(self) -> bool:
        """Whether something may be sent now."""
        return time.monotonic() >= self._closed_until_s

    def purge(self, *, in_flight: bool) -> None:
        """Have reported what has not been sent yet, and what has been on request."""
        self._closed_until_s = time.monotonic() + PURGE_S
        self.handle.purge(in_flight=in_flight)

    def recall(self) -> None:
        """Have reported what has not been sent yet, if all want that who have something there."""
        waiting = [share for share in self.shares if share.open]
        if waiting and all(share.recalling for share in waiting):
            self.purge(in_flight=False)

    def poll(self, timeout_s: float) -> None:
        """Have everything reported that is known, to whomever it concerns."""
        for fault in self.handle.poll(timeout_s):
            for share in self.shares:
                share.note(fault)

    def leave(self, share: "Share") -> None:
        """``share`` needs it no more; the last one to leave destroys it."""
        if share not in self.shares:
            return
        self.shares.remove(share)
        self.spent = self.spent or share.broken or not self.shares
        if self.shares:
            self.recall()  # perhaps only this one did not want it
            return
        try:
            start_thread(self.handle.close)  # it may wait for a look-up of an address
        except RuntimeError:  # the interpreter is ending, and tidies up
            return


class Share:
    """One client's part in a handle: ``gnomon.client.delivery.ports.Producer``.

    What others send is never taken back for it, as it would be stored twice or in another order:
    where they have something under way, what this one wants back counts as not delivered from then
    on, but stays with the handle and may arrive.

    Args:
        common: The handle.
        topic: Where ``send`` writes.
    """

    def __init__(self, common: _Common, topic: str) -> None:
        self.broken = self.recalling = False
        self.telling = 0
        self.open: set[int] = set()
        self._common, self._topic = common, topic
        self._outcomes = Outcomes([], [], [])
        self._word: str | None = None
        common.shares.append(self)

    def send(self, ticket: int, record: Record) -> bool:
        """Hand over one event, to be reported by ``ticket``; ``False``: there is no room."""
        if not self._common.takes:
            return False
        self.recalling = False
        self.open.add(ticket)
        if self._common.handle.send(self._topic, record, partial(self._reported, ticket)):
            return True
        self.open.discard(ticket)
        return False

    def tell(self, topic: str, record: Record) -> None:
        """Hand over a record that nobody asks after."""
        if self._common.handle.send(topic, record, self._has_told):
            self.telling += 1

    def poll(self, timeout_s: float) -> Outcomes:
        """What has become known since the last time, waiting at most ``timeout_s`` for more."""
        self._common.poll(0.0 if any(self._outcomes) else timeout_s)
        outcomes, self._outcomes = self._outcomes, Outcomes([], [], [])
        return outcomes

    def purge(self) -> None:
        """Have ``poll`` report all that is not delivered, to be tried ``again``."""
        if not any(other.open or other.telling for other in self._others()):
            self._common.purge(in_flight=True)
            return
        self._common.poll(0.0)
        self._outcomes.again.extend(sorted(self.open))
        self.open.clear()
        self._common.recall()

    def recall(self) -> None:
        """Have ``poll`` report what has not been sent yet, to be tried ``again``.

        That happens once all who have something under way want it: until then the others send.
        """
        self.recalling = True
        self._common.recall()

    def word(self) -> str | None:
        """What went wrong since the last time, by its name."""
        word, self._word = self._word, None
        return word

    def close(self) -> None:
        """Let go of the handle."""
        self.open.clear()
        self._common.leave(self)

    def note(self, fault: Fault) -> None:
        """Take in what is wrong with the handle as a whole, or with a record of this one."""
        self._word = self._word if fault.word is None else fault.word
        self.broken = self.broken or fault.lasting

    def _others(self) -> "Iterable[Share]":
        return (share for share in self._common.shares if share is not self)

    def _reported(self, ticket: int, fault: Fault | None) -> None:
        """What became of an event, unless it counts as not delivered already."""
        if ticket not in self.open:
            return
        self.open.discard(ticket)
        if fault is None:
            self.recalling = False
            self._outcomes.delivered.append(ticket)
            return
        self.note(fault)
        (self._outcomes.refused if fault.refused else self._outcomes.again).append(ticket)

    def _has_told(self, _fault: Fault | None) -> None:
        self.telling -= 1
