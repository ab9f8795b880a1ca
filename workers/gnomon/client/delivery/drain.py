"""The loop that empties a buffer into Kafka, and into a spool while Kafka does not take it."""

import time
from collections.abc import Callable, Sequence
from typing import Final

from gnomon.client.delivery.backoff import Backoff
from gnomon.client.delivery.buffer import Buffer, Record
from gnomon.client.delivery.identity import Identity
from gnomon.client.delivery.log_limits import Reporter
from gnomon.client.delivery.ports import Outcomes, Producer, UnavailableError
from gnomon.client.spool.overflow import Overflow

TICK_S: Final = 0.02
WINDOW_EVENTS: Final = 1_000
"""Most events with the producer at a time. The rest waits in the buffer, where it is bounded."""
SLICE_EVENTS: Final = 32
SLICE_BYTES: Final = 512 << 10
"""After a slice the loop lets go of the interpreter for ``BREATH_S``: the agent, wanting it, would
otherwise wait for the interpreter's switch interval, 5 ms."""
BREATH_S: Final = 0.000_2
STEP_S: Final = 0.05
"""After so long in one step the rest waits for the next: other clients have their turn between."""
WARM_TICKS: Final = 12
"""Empty looks before the loop sleeps and the agent's next event has to wake it."""
LONGEST_SLEEP_S: Final = 5.0
UNREACHABLE_S: Final = 1.0
"""No answer for this long: what waits goes to the spool."""
HALF_FULL_S: Final = 0.1
"""The same while the buffer is more than half full."""
SILENT_S: Final = 5.0
"""No answer for this long is reported."""
HURRY_S: Final = 0.005
BUSY_S: Final = 0.002
FULL_S: Final = 0.05
PURGE_S: Final = 0.1


class Drain:
    """Moves events until told to stop, in steps that do not wait for one another.

    All but ``hurry`` and ``stop_at_s`` belongs to the thread that runs it. A broker that hangs or
    refuses costs a step no more than ``STEP_S`` and ``PURGE_S``.

    Args:
        buffer: Where events wait.
        connect: Makes a producer, or raises ``UnavailableError``.
        reporter: Told in a word what keeps events from arriving.
        identity: Put on each event as it is taken.
        breathe: Waits so many seconds, the interpreter being free meanwhile.
        overflow: The spool, if there is one.
        seal: Makes what leaves the buffer unreadable, if it shall be; does not raise.
        clock_s: Monotonic.

    Attributes:
        stop_at_s: Set to have it end when all is delivered, or at this time.
        heard: Whether a producer has reported anything yet.
    """

    def __init__(
        self,
        buffer: Buffer,
        *,
        connect: Callable[[], Producer],
        reporter: Reporter,
        identity: Identity,
        breathe: Callable[[float], object],
        overflow: Overflow | None = None,
        seal: Callable[[Sequence[Record]], Sequence[Record]] | None = None,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self.stop_at_s: float | None = None
        self.producer: Producer | None = None
        self.heard = False
        self._buffer, self._connect, self._reporter = buffer, connect, reporter
        self._identity, self._breathe, self._overflow = identity, breathe, overflow
        self._seal, self._clock_s = seal, clock_s
        self._flying: dict[int, Record] = {}
        self._next_ticket = 0
        self._alone = 0
        self._hurry = self._spilling = self._purging = self._asleep = False
        self._backoff = Backoff()
        self._heard_s = self._tried_s = clock_s()
        self._recalled, self._undisturbed = False, True
        self._idle_ticks = 0
        self._step_until_s = 0.0

    @property
    def is_unreachable(self) -> bool:
        """Whether the broker has been asked something and has not answered for a while."""
        return self._clock_s() - self._heard_s >= UNREACHABLE_S

    def hurry(self) -> None:
        """Somebody waits: no lingering, and no waiting between tries, until the buffer is empty."""
        self._hurry = True
        self._backoff.succeeded()

    def step(self) -> float:
        """Look at everything once; return in how many seconds to look again."""
        self._awake()
        self._step_until_s = self._clock_s() + STEP_S
        self._reporter.look()
        self.have_producer()
        self._hear()
        self._watch()
        if self._overflow is not None:
            if self._spilling:
                self._spill(self._overflow)
            self._overflow.sync(self._clock_s())
        self._send()
        return self._pace()

    def is_through(self) -> bool:
        """Whether it has been told to stop and has nothing more to do, or no more time."""
        if self.stop_at_s is None:
            return False
        if self._is_late:
            return True
        if self._buffer or self._flying:
            return False
        return self.is_unreachable or not self._buffer.stats().spooled

    def recover(self) -> float:
        """After an error nobody expected: begin anew with all that is not delivered, a tick later."""
        self._give_up_producer()
        self._backoff.failed(self._clock_s())
        return TICK_S

    def leave(self) -> bool:
        """Forget what is with the producer; keep it in the spool, or else in the buffer.

        What is forgotten may still arrive, until the producer is closed.

        Returns:
            Whether that is done; otherwise it is to be called again.
        """
        if self.producer is not None:
            self._settle(self.producer.poll(0.0))
        self._forget()
        overflow, until_s = self._overflow, self._clock_s() + STEP_S
        if overflow is None:
            return True
        while (records := self._take(SLICE_EVENTS)) and overflow.put(records):
            if self._clock_s() >= until_s:
                return False
        overflow.spool.close()
        return True

    def have_producer(self) -> None:
        """Make a producer if there is none and it is time to try."""
        if self.producer is None and self._backoff.allows(self._clock_s()):
            try:
                self.producer = self._connect()
            except UnavailableError as error:
                self._reporter.trouble(str(error))
                self._backoff.failed(self._clock_s())

    def _hear(self) -> None:
        """Settle what the producer reports."""
        if (producer := self.producer) is None:
            return
        outcomes = producer.poll(0.0)
        if any(outcomes):
            self.heard = True
            self._settle(outcomes)
        if (word := producer.word()) is not None:
            self.heard = True
            self._reporter.trouble(word)
            self._undisturbed = False
        if producer.broken:
            self._give_up_producer()
            self._backoff.failed(self._clock_s())

    def _settle(self, outcomes: Outcomes) -> None:
        final = self._alone > 0 and self._under_way == 1
        if final:
            self._alone -= 1
        elif outcomes.refused:
            # One event may be to blame for all of its batch: they go one by one.
            self._alone = max(self._alone, len(outcomes.refused))
        if outcomes.delivered:
            self._heard_s = self._clock_s()
            self._recalled, self._undisturbed = False, True
            self._backoff.succeeded()
        elif outcomes.again and not self._purging:
            self._backoff.failed(self._clock_s())
        if self._overflow is not None:
            self._overflow.hear(outcomes, final=final)
        again = [*outcomes.again, *([] if final else outcomes.refused)]
        self._buffer.settle(self._landed(outcomes.delivered), delivered=True)
        self._buffer.settle(self._landed(outcomes.refused if final else []), delivered=False)
        self._buffer.put_back(self._landed(sorted(again)))

    def _landed(self, tickets: Sequence[int]) -> list[Record]:
        """Those of our events; a ticket may be of the spool's, or of a producer given up."""
        return [self._flying.pop(ticket) for ticket in tickets if ticket in self._flying]

    def _watch(self) -> None:
        """See whether the broker answers, and decide which way events take."""
        if self._is_idle:
            self._heard_s = self._clock_s()  # nothing is asked of it
        silent_s = self._clock_s() - self._heard_s
        if silent_s >= SILENT_S:
            self._reporter.trouble("no answer")
        if self._overflow is None:
            self._recall()
            return
        half_full = self._is_half_full()
        if self._flying and silent_s >= (HALF_FULL_S if half_full else UNREACHABLE_S):
            # What the producer holds would die with the process. It is older than what waits.
            self._give_back()
        if silent_s >= UNREACHABLE_S or half_full:
            self._spilling = True
        elif self._overflow.spool.pending() <= self._overflow.under_way:
            self._spilling = False  # what waits is younger than all that is on its way

    def _recall(self) -> None:
        """Leave with a silent broker only what has been sent to it.

        librdkafka's thread takes a whole core while events are ready that it may not send yet. Not
        after an error: where a connection broke, events that wait may have been sent before.
        """
        now_s = self._clock_s()
        if (
            self._undisturbed
            and not self._recalled
            and self._flying
            and self.producer is not None
            and now_s - max(self._heard_s, self._tried_s) >= UNREACHABLE_S
        ):
            self._recalled = True
            self.producer.recall()
            self._backoff.failed(now_s)

    def _is_half_full(self) -> bool:
        buffer = self._buffer
        size = buffer.stats().buffered_bytes
        return buffer.pending * 2 >= buffer.max_events or size * 2 >= buffer.max_bytes

    def _spill(self, overflow: Overflow) -> None:
        """Move what waits to the spool; what it has no room for goes on waiting."""
        while not self._is_late and self._has_time and (records := self._take(SLICE_EVENTS)):
            if not overflow.put(records):
                self._reporter.trouble(overflow.spool.trouble or "the spool is full")
                return
            self._breathe(BREATH_S)

    def _send(self) -> None:
        """Hand over what waits, the spool's first, as far as there is room."""
        if not self._backoff.allows(self._clock_s()) or (producer := self.producer) is None:
            return
        if self._recalled:
            if self._flying:
                return  # an answer to these tells that there is a broker again
            self._recalled, self._tried_s = False, self._clock_s()
        overflow = self._overflow
        if overflow and not overflow.under_way and overflow.spool.pending() and self._room > 0:
            records = overflow.chunk(self._next_ticket, self._room)
            self._hand_over(producer, records, flying=False)
        while not self._spilling and self._has_time and (room := self._room) > 0:
            if not (records := self._take(min(room, SLICE_EVENTS))):
                return
            if not self._hand_over(producer, records, flying=True):
                return
            self._breathe(BREATH_S)

    def _hand_over(self, producer: Producer, records: Sequence[Record], *, flying: bool) -> bool:
        for index, record in enumerate(records):
            ticket = self._next_ticket
            self._next_ticket += 1
            if flying:
                self._flying[ticket] = record
            if producer.send(ticket, record):
                continue
            if flying:
                del self._flying[ticket]
                self._buffer.put_back(records[index:])
            elif self._overflow is not None:
                left = range(ticket, ticket + len(records) - index)
                self._next_ticket = left.stop
                self._overflow.hear(Outcomes([], list(left), []), final=False)
            return False
        return True

    @property
    def _is_late(self) -> bool:
        """Whether the time it was given is over."""
        return self.stop_at_s is not None and self._clock_s() >= self.stop_at_s

    @property
    def _has_time(self) -> bool:
        """Whether this step may go on."""
        return self._clock_s() < self._step_until_s

    @property
    def _under_way(self) -> int:
        """How many events are with the producer."""
        return len(self._flying) + (self._overflow.under_way if self._overflow else 0)

    @property
    def _is_idle(self) -> bool:
        backlog = self._overflow is not None and self._overflow.spool.pending() > 0
        return not (self._under_way or self._buffer or backlog)

    @property
    def _room(self) -> int:
        return (1 if self._alone else WINDOW_EVENTS) - self._under_way

    def _take(self, most: int) -> list[Record]:
        """The oldest events that wait, sealed if they shall be, each with its identity."""
        taken = self._buffer.take(max_events=most, max_bytes=SLICE_BYTES)
        records = self._identity.put_on(taken if self._seal is None else self._seal(taken))
        self._buffer.grow(sum(len(r.value) for r in records) - sum(len(r.value) for r in taken))
        return records

    def _give_back(self) -> None:
        """Have nothing with the producer any more."""
        until_s = self._clock_s() + PURGE_S
        self._purging = True
        if self.producer is not None and self._under_way:
            self.producer.purge()
            while self._under_way and self._clock_s() < until_s:
                self._settle(self.producer.poll(0.01))
        self._purging = False
        self._forget()

    def _forget(self) -> None:
        """Book what is with the producer as not delivered."""
        if self._overflow is not None:
            self._overflow.settle()
        self._buffer.put_back(self._landed(sorted(self._flying)))

    def _give_up_producer(self) -> None:
        self._give_back()
        producer, self.producer = self.producer, None
        if producer is not None:
            producer.close()

    def _pace(self) -> float:
        """When to look again: after a tick; sooner if somebody hurries or waits, later if idle."""
        self._idle_ticks = self._idle_ticks + 1 if self._is_idle else 0
        self._hurry = self._hurry and not self._idle_ticks
        full, stopping = self._room <= 0, self.stop_at_s is not None
        if not self._has_time:
            return 0.0
        if self._under_way and (self._hurry or stopping or full):
            if not full:
                return HURRY_S
            # A window full of events that nothing is heard of is not looked at all the time.
            return BUSY_S if self._clock_s() - self._heard_s < FULL_S else FULL_S
        if self._idle_ticks > WARM_TICKS and not stopping:
            return self._sleep()
        return TICK_S

    def _sleep(self) -> float:
        """Have the agent's next event ring: it only does so while the buffer says ``idle``."""
        self._asleep = self._buffer.idle = True
        # One may have come before the flag.
        return TICK_S if self._buffer or self.stop_at_s is not None else LONGEST_SLEEP_S

    def _awake(self) -> None:
        self._buffer.idle = False
        if self._asleep:
            self._asleep, self._heard_s = False, self._clock_s()  # nothing was asked meanwhile
