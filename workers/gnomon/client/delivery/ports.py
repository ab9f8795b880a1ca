"""The protocols between a buffer and a broker: a Kafka handle, a producer and a spool."""

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from gnomon.client.records import Position, Record


class UnavailableError(Exception):
    """No connection can be made now; the events are fine. Holds the name of the error."""


class Outcomes(NamedTuple):
    """Tickets of events, by what became of the events.

    Attributes:
        delivered: The broker has stored them.
        again: As far as is known they are not stored, and nothing is wrong with them.
        refused: The broker does not take them, or another event of the same batch.
    """

    delivered: list[int]
    again: list[int]
    refused: list[int]


class Fault(NamedTuple):
    """An error of one record, or of a handle as a whole.

    Attributes:
        error: Its name; ``None`` if the record was purged on request, which is no error.
        refused: Whether the broker will never take this record. Otherwise it may be tried again.
        lasting: Whether the error stays for as long as the handle does.
    """

    error: str | None
    refused: bool = False
    lasting: bool = False


DeliveryCallback = Callable[[Fault | None], object]
"""Called with the fate of one record: ``None`` if it is stored."""


class Handle(Protocol):
    """A connection to Kafka, shared by clients with the same brokers. Only ``close`` may block.

    Records of one key and topic are stored in the order they were sent, each once, except for
    records that are purged. One thread at a time uses a handle; another may call ``close``.
    """

    def send(self, topic: str, record: Record, on_delivery: DeliveryCallback) -> bool:
        """Hand over one record; return ``False`` if the queue is full."""
        ...

    def poll(self, timeout_s: float) -> Sequence[Fault]:
        """Run the callbacks that are due, waiting at most ``timeout_s`` for the first.

        Returns:
            Errors of the handle as a whole.
        """
        ...

    def purge(self, *, in_flight: bool) -> None:
        """Drop the records that were not sent yet; on request those that were sent, too.

        ``poll`` reports them soon after.
        """
        ...

    def close(self) -> None:
        """Destroy the handle. May block for as long as a look-up of an address takes."""
        ...


class Producer(Protocol):
    """The part of Kafka that the drain uses, from one thread. Only ``poll`` may wait.

    Events of one key are stored in the order they were sent, each once, as long as none of them is
    reported as ``again``.
    """

    @property
    def broken(self) -> bool:
        """Whether another producer must replace it."""
        ...

    def send(self, ticket: int, record: Record) -> bool:
        """Hand over one event, to be reported by ``ticket``; return ``False`` if there is no room."""
        ...

    def produce_untracked(self, topic: str, record: Record) -> None:
        """Hand over a record for another topic, whose fate is not reported."""
        ...

    def poll(self, timeout_s: float) -> Outcomes:
        """Return the fates that have become known, waiting at most ``timeout_s`` for more."""
        ...

    def purge(self) -> None:
        """Give up all events that are not delivered: ``poll`` reports them soon as ``again``."""
        ...

    def recall(self) -> None:
        """Take back the events not yet sent to the broker: ``poll`` reports them as ``again``."""
        ...

    def last_error(self) -> str | None:
        """Return the name of the latest error since the last call, and forget it."""
        ...

    @property
    def untracked(self) -> int:
        """How many records of ``produce_untracked`` are neither stored nor given up."""
        ...

    def close(self) -> None:
        """Release the producer. Does not wait."""
        ...


Connect = Callable[[], Producer]
"""Makes a producer, or raises ``UnavailableError``."""


class Spool(Protocol):
    """A place where events wait for a broker beyond the end of this process. Used by one thread.

    A spool never raises for an error of its disk: the caller keeps the events it could not take.
    """

    @property
    def last_error(self) -> str | None:
        """Text of the latest error of the disk, or ``None``."""
        ...

    def append(self, values: Sequence[Record]) -> int:
        """Write ``values``, unsynced; return how many of them, from the first, are written."""
        ...

    def sync(self) -> None:
        """Sync the written events to the disk. The caller does so at most once a second."""
        ...

    def read(self, max_events: int) -> Sequence[tuple[Position, Record]]:
        """Return the oldest unsettled events of this and earlier processes, in order."""
        ...

    def settle(self, upto: Position) -> None:
        """Forget all events up to and with ``upto``: they are delivered, or refused for good."""
        ...

    def pending(self) -> int:
        """Return how many events are not settled."""
        ...

    def lost(self) -> int:
        """Return how many spooled events of this process could not be read again, so far."""
        ...

    def close(self) -> None:
        """Sync and release the files, so that a later process may read the rest."""
        ...
