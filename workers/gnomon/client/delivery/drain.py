"""The loop that empties a buffer into Kafka, and into a spool while Kafka does not answer."""

import time
from collections.abc import Callable
from typing import Final

from gnomon.client.delivery.buffer import Buffer
from gnomon.client.delivery.identity import Identity
from gnomon.client.delivery.in_flight import InFlight, Seal
from gnomon.client.delivery.overflow import Overflow
from gnomon.client.delivery.pacing import TICK_S, Backoff, Pace, Silence
from gnomon.client.delivery.ports import Connect, Outcomes, Producer, UnavailableError
from gnomon.client.delivery.reporter import Reporter

YIELD_S: Final = 0.000_2
"""After each slice the loop releases the interpreter for so long. An agent that wants it would
otherwise wait for the interpreter's switch interval, 5 ms."""
STEP_S: Final = 0.05
"""After so long in one step the rest waits for the next: other clients have their turn between."""
PURGE_S: Final = 0.1
NO_ANSWER: Final = "no answer"


class Drain:
    """Moves events until it is told to stop, in steps that do not wait for one another.

    Everything but ``expedite`` and ``stop_at_s`` belongs to the thread that runs it. A broker that
    hangs or refuses costs a step no more than ``STEP_S`` and ``PURGE_S``.

    Args:
        buffer: Where events wait.
        connect: Makes a producer, or raises ``UnavailableError``.
        reporter: Logs what keeps events from arriving.
        identity: Put on each event as it is taken.
        yield_interpreter: Waits for a number of seconds without holding the interpreter.
        overflow: The spool, if there is one.
        seal: Seals the payloads of events, if a key is configured; does not raise.
        clock_s: Monotonic clock in seconds.

    Attributes:
        stop_at_s: Set it to end the drain when everything is delivered, or at this time.
        producer: The current producer, if there is one.
        has_reported: Whether a producer has reported anything yet.
    """

    def __init__(
        self,
        buffer: Buffer,
        *,
        connect: Connect,
        reporter: Reporter,
        identity: Identity,
        yield_interpreter: Callable[[float], object],
        overflow: Overflow | None = None,
        seal: Seal | None = None,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self.stop_at_s: float | None = None
        self.producer: Producer | None = None
        self.has_reported = False
        self._buffer, self._connect, self._reporter = buffer, connect, reporter
        self._yield, self._overflow, self._clock_s = yield_interpreter, overflow, clock_s
        self._in_flight = InFlight(buffer, identity=identity, overflow=overflow, seal=seal)
        self._is_spooling = self._is_purging = False
        self._backoff, self._pace, self._silence = Backoff(), Pace(buffer), Silence(clock_s)
        self._step_until_s = 0.0
        self._problem = NO_ANSWER

    @property
    def is_unreachable(self) -> bool:
        """Whether the broker has been sent something and has not answered for a while."""
        return self._silence.is_unreachable

    def expedite(self) -> None:
        """Neither linger nor wait between tries until the buffer is empty: a caller waits."""
        self._pace.is_expedited = True
        self._backoff.succeeded()

    def step(self) -> float:
        """Do everything that is due once; return in how many seconds to do so again."""
        if self._pace.wake_up():
            self._silence.nothing_is_due()  # during the sleep
        self._step_until_s = self._clock_s() + STEP_S
        self._reporter.check()
        self.ensure_producer()
        self._poll()
        self._watch()
        if self._overflow is not None:
            # What the producer has is older: if it comes back, it must not be behind what was spooled.
            if self._is_spooling and not self._in_flight.records:
                self._spool_waiting(self._overflow)
            self._overflow.sync(self._clock_s())
        self._send()
        return self._next_step_s()

    def is_done(self) -> bool:
        """Return whether the drain was told to stop and has no more events to move, or no time."""
        if self.stop_at_s is None:
            return False
        if self._is_late:
            return True
        if self._buffer or self._in_flight.records:
            return False
        return self.is_unreachable or not self._buffer.stats().spooled

    def recover(self) -> float:
        """Begin anew with all undelivered events, after an unexpected error, a tick later."""
        self._replace_producer()
        self._backoff.failed(self._clock_s())
        return TICK_S

    def save_rest(self) -> bool:
        """Move the undelivered events to the spool, or leave them in the buffer without one.

        Events that the producer has may still arrive until it is closed.

        Returns:
            Whether that is done; otherwise this must be called again.
        """
        if self.producer is not None:
            self._settle(self.producer.poll(0.0))
        self._in_flight.abandon()
        overflow, until_s = self._overflow, self._clock_s() + STEP_S
        if overflow is None:
            return True
        while (records := self._in_flight.take()) and overflow.put(records):
            if self._clock_s() >= until_s:
                return False
        overflow.spool.close()
        return True

    def ensure_producer(self) -> None:
        """Make a producer if there is none and another try is allowed."""
        if self.producer is None and self._backoff.allows(self._clock_s()):
            try:
                self.producer = self._connect()
            except UnavailableError as error:
                self._warn(str(error))
                self._backoff.failed(self._clock_s())

    def _poll(self) -> None:
        """Settle what the producer reports; replace a broken one."""
        if (producer := self.producer) is None:
            return
        outcomes = producer.poll(0.0)
        if any(outcomes):
            self.has_reported = True
            self._settle(outcomes)
        if (error := producer.last_error()) is not None:
            self.has_reported = True
            self._warn(error)
            self._silence.note_error()
        if producer.broken:
            self._replace_producer()
            self._backoff.failed(self._clock_s())

    def _warn(self, problem: str) -> None:
        """Log why the broker cannot be reached, and again later: this line may be one too many a minute."""
        self._problem = problem
        self._reporter.warn(problem)

    def _settle(self, outcomes: Outcomes) -> None:
        if outcomes.delivered:
            self._silence.end()
            self._backoff.succeeded()
            self._problem = NO_ANSWER
        elif outcomes.again and not self._is_purging:
            self._backoff.failed(self._clock_s())
        self._in_flight.settle(outcomes)

    def _watch(self) -> None:
        """Check whether the broker answers, and decide whether events go to it or to the spool."""
        if self._is_idle:
            self._silence.nothing_is_due()
        if self._silence.is_long:
            self._reporter.warn(self._problem)
        if self._overflow is None:
            self._recall_unsent()
            return
        half_full = self._buffer.is_half_full
        if self._in_flight.records and self._silence.endangers_events(is_half_full=half_full):
            # Events with the producer would die with the process, and are older than those waiting.
            self._purge()
        if self.is_unreachable or half_full:
            self._is_spooling = True
        elif self._overflow.spool.pending() <= self._overflow.in_flight:
            # The waiting events are younger than all that are on their way.
            self._is_spooling = False

    def _recall_unsent(self) -> None:
        """Leave only those events with a silent broker that have been sent to it.

        librdkafka's thread takes a whole core while it has events that it may not send yet.
        """
        if self._in_flight.records and self.producer is not None and self._silence.may_recall:
            self._silence.is_recalled = True
            self.producer.recall()
            self._backoff.failed(self._clock_s())

    def _spool_waiting(self, overflow: Overflow) -> None:
        """Move waiting events to the spool; if it is full, the rest goes on waiting."""
        while not self._is_late and self._has_time and (records := self._in_flight.take()):
            if not overflow.put(records):
                self._reporter.warn(overflow.spool.last_error or "the spool is full")
                return
            self._yield(YIELD_S)

    def _send(self) -> None:
        """Send the spool's events, then the waiting ones, as far as there is room."""
        if not self._backoff.allows(self._clock_s()) or (producer := self.producer) is None:
            return
        if self._silence.is_recalled:
            if self._in_flight.records:
                return  # an answer to these shows that the broker is back
            self._silence.send_again()
        self._in_flight.send_spooled(producer)
        while not self._is_spooling and self._has_time and self._in_flight.send_slice(producer):
            self._yield(YIELD_S)

    @property
    def _is_late(self) -> bool:
        """Whether the time for stopping is over."""
        return self.stop_at_s is not None and self._clock_s() >= self.stop_at_s

    @property
    def _has_time(self) -> bool:
        """Whether this step may go on."""
        return self._clock_s() < self._step_until_s

    @property
    def _is_idle(self) -> bool:
        backlog = self._overflow is not None and self._overflow.spool.pending() > 0
        return not (self._in_flight.count or self._buffer or backlog)

    def _purge(self) -> None:
        """Take every event back from the producer."""
        until_s = self._clock_s() + PURGE_S
        self._is_purging = True
        if self.producer is not None and self._in_flight.count:
            self.producer.purge()
            while self._in_flight.count and self._clock_s() < until_s:
                self._settle(self.producer.poll(0.01))
        self._is_purging = False
        self._in_flight.abandon()

    def _replace_producer(self) -> None:
        self._purge()
        producer, self.producer = self.producer, None
        if producer is not None:
            producer.close()

    def _next_step_s(self) -> float:
        """Return in how many seconds to look again."""
        return self._pace.next_step_s(
            is_idle=self._is_idle,
            in_flight=self._in_flight.count,
            has_room=self._in_flight.room > 0,
            has_time=self._has_time,
            is_stopping=self.stop_at_s is not None,
            silent_s=self._silence.duration_s,
        )
