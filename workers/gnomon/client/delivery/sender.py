"""What moves one client's events in the background thread, and ends within a time given."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from gnomon.client.delivery import background, process_hooks
from gnomon.client.delivery.buffer import Buffer
from gnomon.client.delivery.drain import HURRY_S, Drain
from gnomon.client.delivery.identity import Identity
from gnomon.client.delivery.log_limits import Reporter
from gnomon.client.delivery.native import Bell
from gnomon.client.delivery.ports import Producer, Spool
from gnomon.client.delivery.stats_publisher import Bulletin
from gnomon.client.delivery.waiting import wait_until
from gnomon.client.spool.overflow import Overflow

if TYPE_CHECKING:
    from gnomon.client.delivery.sealing import Sealer

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
    """A ``Connect`` for events of ``topic``, by the process's handle for these brokers."""

    def connect() -> Producer:
        return background.of_process().handles.share(brokers, topic)

    return connect


def _sealer(seal_to: str) -> "Sealer":
    from gnomon.client.delivery.sealing import Sealer  # noqa: PLC0415  only where a key is configured

    return Sealer(seal_to)


class Sender:
    """Moves one client's events to Kafka, in the background thread of one process.

    ``nudge`` is on the agent's path. A fork leaves the thread behind, so the child drops its
    inherited sender (keeping a reference, since its sockets are the parent's) and makes another.

    Args:
        buffer: Where events wait.
        connect: Gives a producer, in the thread.
        reporter: Writes the log line.
        spool: Makes a spool, in the thread; ``None``: there is none.
        seal_to: Public key, or its file, that what events say is sealed for; ``None``: it is not.
        stats_topic: Where the figures go, once a minute and at the end.

    Attributes:
        fragile: Whether the thread is at what a fork must not interrupt.
        ended: Whether the thread has done all it will do.
        wanted: Whether a turn is wanted at once.
        due_s: When the next turn is due otherwise; the thread's own.
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
        self.ended = self.fragile = self.wanted = False
        self.due_s = float("-inf")
        self.identity = Identity()
        self._buffer, self._connect, self._reporter = buffer, connect, reporter
        self._make_spool = spool
        self._sealer = None if seal_to is None else _sealer(seal_to)
        self._bulletin = Bulletin(buffer, self.identity, stats_topic)
        self._token = [True]
        self._started = self._hurry = False
        self._stop_at_s: float | None = None
        self._drain: Drain | None = None
        self._connected_by_s = self._last_word_by_s = float("inf")
        self._left = False

    @property
    def unsealed(self) -> int:
        """How many payloads were dropped because they could not be sealed."""
        return 0 if self._sealer is None else self._sealer.dropped

    @property
    def started(self) -> bool:
        """Whether the thread looks after this."""
        return self._started

    def nudge(self, at_start: Callable[[], None]) -> None:
        """Have the thread look at the buffer. ``at_start`` is called the first time."""
        self._buffer.idle = False
        if self._started:
            background.of_process().want(self)
        else:
            self._start(at_start)

    def hurry(self) -> None:
        """Have everything sent without lingering."""
        self._hurry = True
        if (drain := self._drain) is not None:
            drain.hurry()
        background.of_process().want(self)

    def stop(self, timeout_s: float) -> None:
        """Have the thread be done as soon as all is delivered, at the latest after ``timeout_s``."""
        reserved_s = min(RESERVED * timeout_s, RESERVED_MOST_S)
        self._stop_at_s = time.monotonic() + timeout_s - reserved_s
        if self._sealer is not None and process_hooks.is_exiting():
            self._sealer.breathes = False
        if (drain := self._drain) is not None:
            drain.stop_at_s = self._stop_at_s
        self.hurry()

    def join(self, timeout_s: float) -> bool:
        """Wait for the end after ``stop``; returns whether it came.

        ``timeout_s`` may be negative: of several that are waited for, only one gets the grace.
        """
        return not self._started or wait_until(
            lambda: self.ended, timeout_s=max(0.0, timeout_s + GRACE_S)
        )

    def _start(self, at_start: Callable[[], None]) -> None:
        try:
            self._token.pop()  # one caller gets it, without a lock
        except IndexError:
            return
        self._started = self.fragile = True
        at_start()
        background.of_process().add(self)

    def turn(self) -> float | None:
        """One step, of the thread: ``gnomon.client.delivery.background.Member``."""
        wait_s: float | None = None
        try:
            if self._drain is None:
                self._drain = self._prepare()
            if self._left or self._drain.is_through():
                wait_s = self._leave(self._drain)
            else:
                wait_s = self._step(self._drain)
        except Exception as error:  # the thread's edge: nobody is above to catch it
            self._reporter.trouble(type(error).__name__)
        if wait_s is None:
            self.give_up()
        return wait_s

    def give_up(self) -> None:
        """There is no more to do, or nobody to do it."""
        self.fragile, self.ended = False, True
        producer = None if self._drain is None else self._drain.producer
        if producer is not None and not process_hooks.is_exiting():
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
            breathe=Bell().wait,
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
        self._connected_by_s = time.monotonic() + CONNECTING_S
        return drain

    def _step(self, drain: Drain) -> float:
        try:
            wait_s = drain.step()
            if drain.producer is not None and not drain.is_unreachable:
                self._bulletin.now_and_then(drain.producer)
        except Exception as error:  # a process edge: the agent's events must go on being moved
            self._reporter.trouble(type(error).__name__)
            wait_s = drain.recover()
        if self.fragile:
            self.fragile = not drain.heard and time.monotonic() < self._connected_by_s
        return wait_s

    def _leave(self, drain: Drain) -> float | None:
        """Give up what waits, then say the last word; ``None``: it is stored, or no time is left."""
        if not self._left:
            if self._sealer is not None:
                self._sealer.late = True  # what is left has a fraction of a second
            if not drain.leave():
                return 0.0
            self._left = True
            if drain.producer is None or drain.is_unreachable:
                return None
            self._bulletin.last(drain.producer)
            self._last_word_by_s = time.monotonic() + LAST_WORD_S
        if (producer := drain.producer) is None:
            return None
        producer.poll(0.0)
        return HURRY_S if producer.telling and time.monotonic() < self._last_word_by_s else None


class Nobody(Sender):
    """In the place of a sender that could not be made: nothing is moved, nothing can fail."""

    def __init__(self) -> None:
        self.ended, self.fragile, self.wanted = True, False, False
        self._started, self._sealer = False, None

    def nudge(self, at_start: Callable[[], None]) -> None:
        """Nobody looks."""

    def hurry(self) -> None:
        """Nobody hurries."""

    def stop(self, timeout_s: float) -> None:
        """Nobody has to stop."""
