"""What stands between a buffer and a broker: the shapes of a handle, a producer and a spool."""

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from gnomon.client.delivery.buffer import Record


class UnavailableError(Exception):
    """Nothing wrong with the events: try again. Holds the name of what happened."""


class Outcomes(NamedTuple):
    """Tickets of events by what became of them.

    ``again``: not stored for all that is known; nothing wrong with them. ``refused``: the broker
    does not take them, or did not take something that was written together with them.
    """

    delivered: list[int]
    again: list[int]
    refused: list[int]


class Fault(NamedTuple):
    """What went wrong with a record, or with a handle as a whole.

    Attributes:
        word: Its name; ``None``: nothing went wrong, it was asked for.
        refused: Whether the broker will never take this record. Otherwise it may be tried again.
        lasting: Whether it stays so for as long as the handle does.
    """

    word: str | None
    refused: bool = False
    lasting: bool = False


Report = Callable[[Fault | None], object]
"""Told what became of a record: ``None`` if it is stored."""


class Handle(Protocol):
    """A connection to Kafka, for whoever has the same brokers. Nothing waits but ``close``.

    Records of one key and topic are stored in the order they were sent, each once, but for those
    that are purged. Used by one thread at a time; ``close`` may be called by another.
    """

    def send(self, topic: str, record: Record, report: Report) -> bool:
        """Hand over one record; ``False``: there is no room."""
        ...

    def poll(self, timeout_s: float) -> Sequence[Fault]:
        """Have reported what has become known, waiting at most ``timeout_s`` for any.

        Returns:
            What went wrong with the handle as a whole.
        """
        ...

    def purge(self, *, in_flight: bool) -> None:
        """Have ``poll`` report soon all that has not been sent yet, and what has been on request."""
        ...

    def close(self) -> None:
        """Destroy it. May wait for as long as a look-up of an address takes."""
        ...


class Producer(Protocol):
    """What the drain needs of Kafka. Used by one thread; nothing waits but ``poll``.

    Events of one key are stored in the order they were sent, each once, for as long as none is
    reported as ``again``.
    """

    @property
    def broken(self) -> bool:
        """Whether another must take its place."""
        ...

    def send(self, ticket: int, record: Record) -> bool:
        """Hand over one event, to be reported by ``ticket``; ``False``: there is no room."""
        ...

    def tell(self, topic: str, record: Record) -> None:
        """Hand over a record for another topic that nobody asks after."""
        ...

    def poll(self, timeout_s: float) -> Outcomes:
        """What has become known since the last time, waiting at most ``timeout_s`` for more."""
        ...

    def purge(self) -> None:
        """Have ``poll`` report soon all that is not delivered, as ``again``."""
        ...

    def recall(self) -> None:
        """Have ``poll`` report soon, as ``again``, what has not been sent to the broker yet."""
        ...

    def word(self) -> str | None:
        """What went wrong since the last time, by its name."""
        ...

    @property
    def telling(self) -> int:
        """How many records given to ``tell`` are neither stored nor given up."""
        ...

    def close(self) -> None:
        """Let go of it. Does not wait."""
        ...


class Position(NamedTuple):
    """Just behind one record of a spool: which of its files, and how many bytes into it."""

    file: str
    end: int


class Spool(Protocol):
    """Where events wait for a broker beyond the end of this process. Used by one thread.

    A spool never raises for what its disk does: what it could not take, the caller keeps.
    """

    @property
    def trouble(self) -> str | None:
        """Name of the latest error of the disk, if there was one."""
        ...

    def append(self, values: Sequence[Record]) -> int:
        """Write ``values``, unsynced; return how many of them, from the first, are taken."""
        ...

    def sync(self) -> None:
        """Have what was written outlive the machine. The caller does so at most once a second."""
        ...

    def read(self, max_events: int) -> Sequence[tuple[Position, Record]]:
        """The oldest not yet settled, from this and earlier processes, in order; settles none."""
        ...

    def settle(self, upto: Position) -> None:
        """All up to and with ``upto`` are done with: delivered, or refused for good."""
        ...

    def pending(self) -> int:
        """How many ``read`` has yet to give or ``settle`` to settle."""
        ...

    def lost(self) -> int:
        """How many of this process's events, taken before, cannot be read again; so far."""
        ...

    def close(self) -> None:
        """Sync and let go, so that a later process may read what is left."""
        ...
