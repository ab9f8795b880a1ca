"""Connections to Kafka: clients of the same cluster and login share one handle.

Everything here belongs to the background thread.
"""

import os
import time
from collections.abc import Iterable
from functools import partial
from typing import Final

from gnomon.client.delivery.ports import Connect, DeliveryCallback, Fault, Handle, Outcomes
from gnomon.client.process.native import start_thread
from gnomon.client.records import Record
from gnomon.connection import KafkaConnection, KafkaSecurity

PURGE_S: Final = 0.1
"""After a purge nothing is sent for this long: it might be purged too, while later records are not."""


def open_kafka(connection: KafkaConnection) -> Handle:
    """Return a new handle of librdkafka.

    Raises:
        UnavailableError: The handle cannot be made.
    """
    from gnomon.client.delivery.librdkafka import KafkaHandle  # noqa: PLC0415  slow: not the agent's time

    return KafkaHandle(connection)


class HandlePool:
    """The handles of a process, by cluster and login. A forked child has another pool."""

    def __init__(self) -> None:
        self._handles: dict[tuple[frozenset[str], KafkaSecurity], _SharedHandle] = {}

    def producer(self, connection: KafkaConnection, topic: str) -> "SharedProducer":
        """Return a producer by the handle for ``connection``, which is made if there is none of use.

        Raises:
            UnavailableError: The handle cannot be made.
        """
        self._handles = {key: one for key, one in self._handles.items() if not one.is_retired}
        key = (frozenset(connection.addresses), connection.security)
        handle = self._handles.get(key)
        if handle is None:
            handle = self._handles[key] = _SharedHandle(open_kafka(connection))
        return SharedProducer(handle, topic)


class _SharedHandle:
    """A handle and the producers that share it.

    Attributes:
        producers: The producers that are not closed.
        is_retired: Whether new producers need another handle, because this one is closed or broken
            for one of its producers. The other producers go on with it.
    """

    def __init__(self, handle: Handle) -> None:
        self.handle = handle
        self.producers: list[SharedProducer] = []
        self.is_retired = False
        self._paused_until_s = float("-inf")

    @property
    def accepts_records(self) -> bool:
        """Whether a record may be sent now."""
        return time.monotonic() >= self._paused_until_s

    def purge(self, *, in_flight: bool) -> None:
        """Drop the records not sent yet; on request those in flight, too. ``poll`` reports them."""
        self._paused_until_s = time.monotonic() + PURGE_S
        self.handle.purge(in_flight=in_flight)

    def recall(self) -> None:
        """Drop the records not sent yet, if every producer with open records asks for that."""
        waiting = [producer for producer in self.producers if producer.open]
        if waiting and all(producer.is_recalling for producer in waiting):
            self.purge(in_flight=False)

    def poll(self, timeout_s: float) -> None:
        """Run the delivery callbacks; report faults of the handle to every producer."""
        for fault in self.handle.poll(timeout_s):
            for producer in self.producers:
                producer.note(fault)

    def release(self, producer: "SharedProducer") -> None:
        """Remove ``producer``; the last one to leave destroys the handle."""
        if producer not in self.producers:
            return
        self.producers.remove(producer)
        self.is_retired = self.is_retired or producer.broken or not self.producers
        if self.producers:
            self.recall()  # this producer may have been the only one that did not ask for it
            return
        try:
            start_thread(self.handle.close)  # it may wait for a look-up of an address
        except RuntimeError:  # the interpreter is ending: the system closes the sockets
            return


class SharedProducer:
    """One client's part in a handle: ``gnomon.client.delivery.ports.Producer``.

    A shared producer cannot purge one client's records while others have records in flight: theirs
    would be stored twice or in another order. Its records are then reported undelivered at once,
    stay with the handle, and may still arrive.

    Args:
        handle: The handle.
        topic: Topic that ``send`` writes to.

    Attributes:
        broken: Whether another producer must replace it.
        is_recalling: Whether it wants unsent records back.
        open: Tickets of its events that are not reported.
        untracked: How many of its untracked records are neither stored nor given up.
    """

    def __init__(self, handle: _SharedHandle, topic: str) -> None:
        self.broken = self.is_recalling = False
        self.untracked = 0
        self.open: set[int] = set()
        self._shared, self._topic = handle, topic
        self._outcomes = Outcomes([], [], [])
        self._last_error: str | None = None
        handle.producers.append(self)

    def send(self, ticket: int, record: Record) -> bool:
        """Hand over one event, to be reported by ``ticket``; return ``False`` if there is no room."""
        if not self._shared.accepts_records:
            return False
        self.is_recalling = False
        self.open.add(ticket)
        on_delivery: DeliveryCallback = partial(self._on_delivery, ticket)
        if self._shared.handle.send(self._topic, record, on_delivery):
            return True
        self.open.discard(ticket)
        return False

    def produce_untracked(self, topic: str, record: Record) -> None:
        """Hand over a record whose fate is not reported."""
        if self._shared.handle.send(topic, record, self._on_untracked_delivery):
            self.untracked += 1

    def poll(self, timeout_s: float) -> Outcomes:
        """Return the fates that have become known, waiting at most ``timeout_s`` for more."""
        self._shared.poll(0.0 if any(self._outcomes) else timeout_s)
        outcomes, self._outcomes = self._outcomes, Outcomes([], [], [])
        return outcomes

    def purge(self) -> None:
        """Give up all events that are not delivered: ``poll`` reports them as ``again``."""
        if not any(other.open or other.untracked for other in self._others()):
            self._shared.purge(in_flight=True)
            return
        self._shared.poll(0.0)
        self._outcomes.again.extend(sorted(self.open))
        self.open.clear()
        self._shared.recall()

    def recall(self) -> None:
        """Take back the events not yet sent to the broker: ``poll`` reports them as ``again``.

        That happens once every producer with open records asks for it. Until then others may send.
        """
        self.is_recalling = True
        self._shared.recall()

    def last_error(self) -> str | None:
        """Return the name of the latest error since the last call, and forget it."""
        error, self._last_error = self._last_error, None
        return error

    def close(self) -> None:
        """Release the handle."""
        self.open.clear()
        self._shared.release(self)

    def note(self, fault: Fault) -> None:
        """Note a fault of the handle as a whole, or of one of this producer's records."""
        self._last_error = self._last_error if fault.error is None else fault.error
        self.broken = self.broken or fault.lasting

    def _others(self) -> "Iterable[SharedProducer]":
        return (producer for producer in self._shared.producers if producer is not self)

    def _on_delivery(self, ticket: int, fault: Fault | None) -> None:
        """Report the fate of an event, unless it was reported undelivered before."""
        if ticket not in self.open:
            return
        self.open.discard(ticket)
        if fault is None:
            self.is_recalling = False
            self._outcomes.delivered.append(ticket)
            return
        self.note(fault)
        (self._outcomes.refused if fault.refused else self._outcomes.again).append(ticket)

    def _on_untracked_delivery(self, _fault: Fault | None) -> None:
        self.untracked -= 1


_pools: Final = [HandlePool()]
"""The last is this process's. A forked child keeps the inherited ones and never uses them."""


def kafka(connection: KafkaConnection, topic: str) -> Connect:
    """Return a ``Connect`` for events of ``topic``, by the process's handle for ``connection``."""
    return lambda: _pools[-1].producer(connection, topic)


def _after_fork_in_child() -> None:
    _pools.append(HandlePool())


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
