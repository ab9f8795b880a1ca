"""A client's drain with its buffer, broker and spool, and a clock that the test moves."""

from collections.abc import Callable, Sequence

from tests.support.client.producers import MemoryProducer

from gnomon.client.delivery.buffer import Buffer
from gnomon.client.delivery.drain import Drain
from gnomon.client.delivery.identity import Identity
from gnomon.client.delivery.overflow import Overflow
from gnomon.client.delivery.ports import Outcomes, Producer, Spool
from gnomon.client.delivery.reporter import Reporter
from gnomon.client.process.log_limits import Limiter
from gnomon.client.process.native import WakeEvent
from gnomon.client.records import Record


class Clock(WakeEvent):
    """A clock that moves only while a caller waits."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 1_000.0

    def wait(self, timeout_s: float) -> None:
        self.now_s += timeout_s


class Timed(MemoryProducer):
    """A producer whose ``poll`` takes its whole timeout if it has nothing to report."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock

    def poll(self, timeout_s: float) -> Outcomes:
        outcomes = super().poll(timeout_s)
        if not any(outcomes):
            self._clock.wait(timeout_s)
        return outcomes


class World:
    """A drain with its buffer, broker and spool, and a clock that the test moves."""

    def __init__(
        self,
        *,
        connect: Callable[[], Producer] | None = None,
        spool: Spool | None = None,
        max_events: int = 10_000,
    ) -> None:
        self.clock = Clock()
        self.broker = Timed(self.clock)
        self.buffer = Buffer(max_events=max_events, max_bytes=1 << 20)
        self.spool = spool
        self.logged_until_s = 0.0
        self.start(connect)
        self.offered = 0

    def start(self, connect: Callable[[], Producer] | None = None) -> None:
        identity = Identity()
        overflow = None
        if self.spool is not None:
            overflow = Overflow(self.spool, self.buffer, producer_id=identity.producer_id)
        self.drain = Drain(
            self.buffer,
            connect=connect or self.connect,
            reporter=Reporter(self.buffer, limiter=Limiter(lambda: self.logged_until_s)),
            identity=identity,
            yield_interpreter=self.clock.wait,
            overflow=overflow,
            clock_s=lambda: self.clock.now_s,
        )

    def forget_logged(self) -> None:
        """Let the next line be logged: a process logs one a minute, by a clock that stands still here."""
        self.logged_until_s += 60.0

    def connect(self) -> Producer:
        self.broker.broken = False
        return self.broker

    def offer(self, count: int) -> None:
        for _ in range(count):
            self.buffer.offer(Record(b"ab"[self.offered % 2 :][:1], b'{"n":%05d}' % self.offered))
            self.offered += 1

    def run(self, seconds: float) -> None:
        until_s = self.clock.now_s + seconds
        while self.clock.now_s < until_s:
            self.step()

    def step(self) -> None:
        self.clock.wait(self.drain.step())
        self.check()

    def end(self, timeout_s: float = 60.0) -> float:
        """Stop the drain; return how long that took, in seconds of its clock."""
        began_s = self.clock.now_s
        self.drain.stop_at_s = began_s + timeout_s
        while not self.drain.is_done():
            self.step()
        while not self.drain.save_rest():
            pass
        self.check()
        return self.clock.now_s - began_s

    def check(self) -> None:
        """Check that every accepted event is counted in exactly one state."""
        stats = self.buffer.stats()
        assert stats.accepted == (
            stats.delivered + stats.failed + stats.spooled + stats.buffered + stats.in_flight
        )
        assert min(stats.buffered, stats.in_flight, stats.spooled, stats.buffered_bytes) >= 0

    @property
    def stored(self) -> list[int]:
        return numbers(self.broker.records)


def numbers(records: Sequence[Record]) -> list[int]:
    return [int(record.value[5:10]) for record in records]
