"""Moves one client's events in the background thread, and ends within a given time."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from gnomon.client.delivery.buffer import Buffer
from gnomon.client.delivery.drain import Drain
from gnomon.client.delivery.identity import Identity
from gnomon.client.delivery.overflow import Overflow
from gnomon.client.delivery.pacing import EXPEDITED_S
from gnomon.client.delivery.ports import Connect, Spool
from gnomon.client.delivery.reporter import Reporter
from gnomon.client.delivery.stats_publisher import StatsPublisher
from gnomon.client.process import background, hooks
from gnomon.client.process.background import wait_until
from gnomon.client.process.native import WakeEvent

if TYPE_CHECKING:
    from gnomon.client.delivery.sealing import Sealer

GRACE_S: Final = 0.25
"""Time beyond a time limit, for a thread that is in the middle of a step."""
RESERVED: Final = 0.1
RESERVED_MOST_S: Final = 0.2
"""Part of the time for stopping that is kept for moving events from Kafka's library to the spool."""
UNSEALED_S: Final = 0.000_05
"""Time that is kept for each waiting event, to spool it without its payload once sealing it, which
takes three times as long or more, has used up the rest."""
UNSEALED_MOST: Final = 0.5
"""Part of the time for stopping that is kept for that at most."""
FINAL_STATS_S: Final = 0.25
"""How long the end waits at most for the final stats to be stored."""
CONNECTING_S: Final = 0.25
"""After the library was loaded a fork waits at most so long for the broker's first answer."""


def _sealer(seal_to: str) -> "Sealer":
    from gnomon.client.delivery.sealing import Sealer  # noqa: PLC0415  only where a key is configured

    return Sealer(seal_to)


class Sender:
    """Moves one client's events to Kafka: a ``background.Job`` of one process.

    Only ``wake`` is on the agent's path. A fork leaves the thread behind, so a child makes a sender
    of its own. It keeps the inherited one unused, because the sockets are the parent's.

    Args:
        buffer: Where events wait.
        connect: Makes a producer, in the thread.
        reporter: Writes the log lines.
        spool: Makes a spool, in the thread; ``None`` for none.
        seal_to: Public key, or its file, that payloads are sealed for; ``None`` for none.
        stats_topic: Topic of the client's stats, published once a minute and at the end.
        tenant: Put on each event that names none.

    Attributes:
        delays_fork: Whether the thread does something that a fork must not interrupt.
        ended: Whether the thread has done all it will do.
        is_requested: Whether a turn is wanted at once.
        due_s: When the next turn is due otherwise; the thread sets it.
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
        tenant: str = "",
    ) -> None:
        self.ended = self.delays_fork = self.is_requested = False
        self.due_s = float("-inf")
        self.identity = Identity(tenant=tenant)
        self._buffer, self._connect, self._reporter = buffer, connect, reporter
        self._make_spool = spool
        self._sealer = None if seal_to is None else _sealer(seal_to)
        self._stats = StatsPublisher(buffer, self.identity, stats_topic)
        self._start_permit = [True]
        self._is_started = self._is_expedited = False
        self._stop_at_s: float | None = None
        self._drain: Drain | None = None
        self._connecting_until_s = self._final_stats_until_s = float("inf")
        self._has_saved_rest = False

    @property
    def unsealed(self) -> int:
        """How many payloads were dropped because they could not be sealed."""
        return 0 if self._sealer is None else self._sealer.dropped

    @property
    def is_started(self) -> bool:
        """Whether the background thread has this job."""
        return self._is_started

    def wake(self, at_start: Callable[[], None]) -> None:
        """Make the thread look at the buffer. ``at_start`` is called the first time."""
        self._buffer.idle = False
        if self._is_started:
            background.of_process().request_turn(self)
        else:
            self._start(at_start)

    def expedite(self) -> None:
        """Send everything without lingering."""
        self._is_expedited = True
        if (drain := self._drain) is not None:
            drain.expedite()
        background.of_process().request_turn(self)

    def stop(self, timeout_s: float) -> None:
        """End the job as soon as everything is delivered, at the latest after ``timeout_s``."""
        reserved_s = min(RESERVED * timeout_s, RESERVED_MOST_S)
        if self._sealer is not None:
            reserved_s += min(UNSEALED_MOST * timeout_s, UNSEALED_S * self._buffer.pending)
            self._sealer.yields = not hooks.is_exiting()
        self._stop_at_s = time.monotonic() + timeout_s - reserved_s
        if (drain := self._drain) is not None:
            drain.stop_at_s = self._stop_at_s
        self.expedite()

    def join(self, timeout_s: float) -> bool:
        """Wait for the end after ``stop``; return whether it came.

        ``timeout_s`` may be negative: of several senders that are waited for in turn, only the first
        gets the grace.
        """
        return not self._is_started or wait_until(
            lambda: self.ended, timeout_s=max(0.0, timeout_s + GRACE_S)
        )

    def _start(self, at_start: Callable[[], None]) -> None:
        try:
            # A one-element list is the start permit: one caller pops it, without a lock.
            self._start_permit.pop()
        except IndexError:
            return
        self._is_started = self.delays_fork = True
        at_start()
        background.of_process().add(self)

    def turn(self) -> float | None:
        """Run one step: ``gnomon.client.process.background.Job``."""
        wait_s: float | None = None
        try:
            if self._drain is None:
                self._drain = self._prepare()
            if self._has_saved_rest or self._drain.is_done():
                wait_s = self._finish(self._drain)
            else:
                wait_s = self._step(self._drain)
        except Exception as error:  # the thread's edge: no caller could handle it
            self._reporter.warn(type(error).__name__)
        if wait_s is None:
            self.abandon()
        return wait_s

    def abandon(self) -> None:
        """End the job: there is nothing more to do, or no thread to do it."""
        self.delays_fork, self.ended = False, True
        producer = None if self._drain is None else self._drain.producer
        if producer is not None and not hooks.is_exiting():
            producer.close()  # at the end of the process the system closes the sockets

    def _prepare(self) -> Drain:
        """Load the Kafka library and make it connect.

        A fork waits for that: otherwise a child would find modules half loaded, or glibc's resolver
        locked for ever by the library's thread.
        """
        overflow = None
        if self._make_spool is not None:
            overflow = Overflow(
                self._make_spool(), self._buffer, producer_id=self.identity.producer_id
            )
        drain = Drain(
            self._buffer,
            connect=self._connect,
            reporter=self._reporter,
            identity=self.identity,
            yield_interpreter=WakeEvent().wait,
            overflow=overflow,
            seal=None if self._sealer is None else self._sealer.seal,
        )
        if self._sealer is not None:
            self._sealer.prepare()
        drain.ensure_producer()
        self._drain = drain
        drain.stop_at_s = self._stop_at_s
        if self._is_expedited:
            drain.expedite()
        self._connecting_until_s = time.monotonic() + CONNECTING_S
        return drain

    def _step(self, drain: Drain) -> float:
        try:
            wait_s = drain.step()
            if drain.producer is not None and not drain.is_unreachable:
                self._stats.publish_if_due(drain.producer)
        except Exception as error:  # the thread's edge: the agent's events must go on being moved
            self._reporter.warn(type(error).__name__)
            wait_s = drain.recover()
        if self.delays_fork:
            self.delays_fork = (
                not drain.has_reported and time.monotonic() < self._connecting_until_s
            )
        return wait_s

    def _finish(self, drain: Drain) -> float | None:
        """Save the undelivered events, then publish the final stats.

        Returns:
            In how many seconds to go on; ``None`` if the stats are stored, or no time is left.
        """
        if not self._has_saved_rest:
            if self._sealer is not None:
                self._sealer.late = True  # a fraction of a second is left for the remaining events
            if not drain.save_rest():
                return 0.0
            self._has_saved_rest = True
            if drain.producer is None or drain.is_unreachable:
                return None
            self._stats.publish_final(drain.producer)
            self._final_stats_until_s = time.monotonic() + FINAL_STATS_S
        if (producer := drain.producer) is None:
            return None
        producer.poll(0.0)
        is_waiting = producer.untracked and time.monotonic() < self._final_stats_until_s
        return EXPEDITED_S if is_waiting else None


class NullSender(Sender):
    """Replaces a sender that could not be made: it moves nothing, and nothing can fail."""

    def __init__(self) -> None:
        self.ended, self.delays_fork, self.is_requested = True, False, False
        self._is_started, self._sealer = False, None

    def wake(self, at_start: Callable[[], None]) -> None:
        """Do nothing."""

    def expedite(self) -> None:
        """Do nothing."""

    def stop(self, timeout_s: float) -> None:
        """Do nothing."""
