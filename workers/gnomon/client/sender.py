"""The background thread of a client: started by its first event, ended within a time given."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from gnomon.client import lifecycle
from gnomon.client.buffer import Buffer
from gnomon.client.bulletin import Bulletin
from gnomon.client.delivery import Producer, Spool
from gnomon.client.drain import Drain
from gnomon.client.identity import Identity
from gnomon.client.native import Bell, start_thread
from gnomon.client.overflow import Overflow
from gnomon.client.report import Reporter
from gnomon.client.waiting import wait_until

if TYPE_CHECKING:
    from gnomon.client.sealing import Sealer

Connect = Callable[[], Producer]
GRACE_S: Final = 0.25
"""Beyond the time given, for a thread that is in the middle of something."""
RESERVED: Final = 0.1
RESERVED_MOST_S: Final = 0.2
"""Of the time given, for taking back what is with Kafka and writing it to the spool."""
LAST_WORD_S: Final = 0.25
CONNECTING_S: Final = 0.25
"""So long after the library was loaded a fork waits at most for the first word of the broker."""


def kafka(brokers: tuple[str, ...], topic: str) -> Connect:
    """A ``Connect`` that makes idempotent Kafka producers."""

    def connect() -> Producer:
        from gnomon.client.producer import KafkaProducer  # noqa: PLC0415  slow: not the agent's time

        return KafkaProducer(brokers, topic)

    return connect


def _sealer(seal_to: str) -> "Sealer":
    from gnomon.client.sealing import Sealer  # noqa: PLC0415  only where a key is configured

    return Sealer(seal_to)


class Sender:
    """Owns the thread that moves a buffer's events to Kafka, for one process.

    ``nudge`` is on the agent's path. A fork leaves the thread behind, so the child drops its
    inherited sender (keeping a reference, since its sockets are the parent's) and makes another.

    Args:
        buffer: Where events wait.
        connect: Makes a producer, in the thread.
        reporter: Writes the log line.
        spool: Makes a spool, in the thread; ``None``: there is none.
        seal_to: Public key, or its file, that what events say is sealed for; ``None``: it is not.
        stats_topic: Where the figures go, once a minute and at the end.

    Attributes:
        fragile: Whether the thread is at what a fork must not interrupt.
        ended: Whether the thread has done all it will do.
    """

    def __init__(
        self,
        buffer: Buffer,
        *,
        connect: Connect,
        reporter: Reporter,
        spool: Callable[[], Spool] | None = None,
        seal_to: str | None = None,
        stats_topic: str = "client-stats",
    ) -> None:
        self.ended = self.fragile = False
        self.identity = Identity()
        self._bell = Bell()
        self._buffer, self._connect, self._reporter = buffer, connect, reporter
        self._make_spool = spool
        self._sealer = None if seal_to is None else _sealer(seal_to)
        self._bulletin = Bulletin(buffer, self.identity, stats_topic)
        self._token = [True]
        self._started = self._hurry = False
        self._stop_at_s: float | None = None
        self._drain: Drain | None = None

    @property
    def unsealed(self) -> int:
        """How many payloads were dropped because they could not be sealed."""
        return 0 if self._sealer is None else self._sealer.dropped

    @property
    def started(self) -> bool:
        """Whether the thread has been started."""
        return self._started

    def nudge(self, at_start: Callable[[], None]) -> None:
        """Have the thread look at the buffer. ``at_start`` is called if this starts it."""
        self._buffer.idle = False
        if self._started:
            self._bell.ring()
        else:
            self._start(at_start)

    def hurry(self) -> None:
        """Have everything sent without lingering."""
        self._hurry = True
        if (drain := self._drain) is not None:
            drain.hurry()
        self._bell.ring()

    def stop(self, timeout_s: float) -> None:
        """Have the thread end as soon as all is delivered, at the latest after ``timeout_s``."""
        reserved_s = min(RESERVED * timeout_s, RESERVED_MOST_S)
        self._stop_at_s = time.monotonic() + timeout_s - reserved_s
        if self._sealer is not None and lifecycle.is_exiting():
            self._sealer.breathes = False
        if (drain := self._drain) is not None:
            drain.stop_at_s = self._stop_at_s
        self.hurry()

    def join(self, timeout_s: float) -> bool:
        """Wait for the end after ``stop``; returns whether it came."""
        return not self._started or wait_until(
            lambda: self.ended, timeout_s=max(0.0, timeout_s) + GRACE_S
        )

    def _start(self, at_start: Callable[[], None]) -> None:
        try:
            self._token.pop()  # one caller gets it, without a lock
        except IndexError:
            return
        self._started = self.fragile = True
        at_start()
        try:
            start_thread(self._run)
        except RuntimeError:  # the interpreter is ending
            self.fragile, self.ended = False, True

    def _run(self) -> None:
        """The thread."""
        producer: Producer | None = None
        try:
            drain = self._prepare()
            connected_by_s = time.monotonic() + CONNECTING_S
            while not drain.is_through():
                self._step(drain)
                if self.fragile:
                    self.fragile = not drain.heard and time.monotonic() < connected_by_s
            if self._sealer is not None:
                self._sealer.late = True  # what is left has a fraction of a second
            drain.leave()
            producer = drain.producer
            if producer is not None and not drain.is_unreachable:
                self._bulletin.last(producer, LAST_WORD_S)
        except Exception as error:  # the thread's edge: nobody is above to catch it
            self._reporter.trouble(type(error).__name__)
        finally:
            self.fragile, self.ended = False, True
        if producer is not None and not lifecycle.is_exiting():
            producer.close()  # at the end of the process it is the system's to tidy up

    def _prepare(self) -> Drain:
        """Load the library and have it connect.

        A fork is held up until it has: a child would find modules half loaded, or glibc's resolver
        locked by the library's thread, for ever.
        """
        overflow = None
        if self._make_spool is not None:
            overflow = Overflow(self._make_spool(), self._buffer, own=self.identity.producer_id)
        drain = Drain(
            self._buffer,
            connect=self._connect,
            reporter=self._reporter,
            identity=self.identity,
            bell=self._bell,
            overflow=overflow,
            seal=None if self._sealer is None else self._sealer.seal,
        )
        if self._sealer is not None:
            self._sealer.prepare()
        drain.have_producer()
        self._drain = drain
        drain.stop_at_s = self._stop_at_s
        if self._hurry:
            drain.hurry()
        return drain

    def _step(self, drain: Drain) -> None:
        try:
            drain.step()
            if drain.producer is not None and not drain.is_unreachable:
                self._bulletin.now_and_then(drain.producer)
        except Exception as error:  # a process edge: the agent's events must go on being moved
            self._reporter.trouble(type(error).__name__)
            drain.recover()


class Nobody(Sender):
    """In the place of a sender that could not be made: nothing is moved, nothing can fail."""

    def __init__(self) -> None:
        self.ended, self.fragile = True, False
        self._started, self._sealer = False, None

    def nudge(self, at_start: Callable[[], None]) -> None:
        """Nobody looks."""

    def hurry(self) -> None:
        """Nobody hurries."""

    def stop(self, timeout_s: float) -> None:
        """Nobody has to stop."""
