"""The loop that empties a buffer into a producer: rounds, back-off, what to do with failures."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import NamedTuple, Protocol

from gnomon.client.buffer import Buffer, Record
from gnomon.client.report import Reporter

ROUND_EVENTS = 4_000
ROUND_BYTES = 512 << 10
"""A round is within one batch even if all of it goes to one partition."""
LINGER_S = 0.02
WARM_TICKS = 12
"""Empty looks before the loop sleeps and the agent's next event has to wake it."""
BACKOFF_FIRST_S = 0.1
BACKOFF_MOST_S = 10.0
STALL_S = 5.0
"""A round that has no answer for this long is reported."""
GIVE_UP_S = 120.0
"""A round that has no answer for this long is tried on new connections. It may then be stored
twice, which readers see by the task's id; the addresses a producer has learned may be gone."""


class UnavailableError(Exception):
    """Nothing wrong with the events: try again. Holds the name of what happened."""


class Delivery(NamedTuple):
    """What became of some events of a round, stored all or none.

    ``error`` is ``None`` (stored), an ``UnavailableError`` (try again), or a refusal.
    """

    records: Sequence[Record]
    error: Exception | None


class Producer(Protocol):
    """What the loop needs of Kafka."""

    def deliver(self, records: Sequence[Record]) -> Coroutine[None, None, list[Delivery]]:
        """Write ``records``; raise ``UnavailableError`` if nothing was sent."""
        ...

    async def stop(self, timeout_s: float) -> None:
        """Disconnect within ``timeout_s``."""
        ...


class Position(NamedTuple):
    """Just behind one record of a spool: which of its files, and how many bytes into it."""

    file: str
    end: int


class Spool(Protocol):
    """Where events wait for a broker beyond the end of this process. Used by one thread.

    A spool never raises for what its disk does: what it could not take, the caller keeps.
    """

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

    def close(self) -> None:
        """Sync and let go, so that a later process may read what is left."""
        ...


class Loop:
    """Moves events until told to stop. Lives on one event loop; ``stop`` and ``hurry`` are its own.

    Args:
        buffer: Where events wait.
        connect: Makes a connected producer, or raises ``UnavailableError``.
        reporter: Told in a word what keeps events from arriving.
    """

    def __init__(
        self,
        buffer: Buffer,
        *,
        connect: Callable[[], Awaitable[Producer]],
        reporter: Reporter,
    ) -> None:
        self.asleep = False
        self.stopping = False
        self._buffer, self._connect, self._reporter = buffer, connect, reporter
        self._wake = asyncio.Event()
        self._hurry = False
        self._producer: Producer | None = None
        self._backoff_s = BACKOFF_FIRST_S
        self._round_events = ROUND_EVENTS

    def wake(self) -> None:
        """There is something to look at."""
        self._wake.set()

    def hurry(self) -> None:
        """Somebody waits: no lingering and no back-off until the buffer is empty."""
        self._hurry = True
        self._backoff_s = BACKOFF_FIRST_S
        self._wake.set()

    def stop(self) -> None:
        """Empty the buffer and end."""
        self.stopping = True
        self.hurry()

    async def run(self) -> None:
        """Move events until ``stop``."""
        idle_ticks = 0
        try:
            while True:
                self._reporter.look()
                if self._buffer:
                    idle_ticks = 0
                    await self._round()
                elif self.stopping:
                    return
                else:
                    self._hurry = False
                    idle_ticks += 1
                    await (self._sleep() if idle_ticks > WARM_TICKS else self._pause(LINGER_S))
        finally:
            await self._drop_producer()

    async def _round(self) -> None:
        """Move one round of events, or wait before the next try."""
        try:
            if self._producer is None:
                self._producer = await self._connect()
            moved = await self._deliver(self._producer)
        except UnavailableError as error:
            self._reporter.trouble(str(error))
            moved = False
        except Exception as error:  # a process edge: the agent's events must go on being moved
            self._reporter.trouble(type(error).__name__)
            await self._drop_producer()
            moved = False
        if moved:
            self._backoff_s = BACKOFF_FIRST_S
            if not self._hurry and self._buffer.pending < self._round_events:
                await self._pause(LINGER_S)
            return
        jitter = random.uniform(0.75, 1.25)  # noqa: S311  only keeps clients from retrying at once
        await self._pause(self._backoff_s * jitter)
        self._backoff_s = min(self._backoff_s * 2, BACKOFF_MOST_S)

    async def _deliver(self, producer: Producer) -> bool:
        """One round; returns whether all of it is settled."""
        records = self._buffer.take(max_events=self._round_events, max_bytes=ROUND_BYTES)
        try:
            deliveries = await self._answer(producer.deliver(records))
        except BaseException:
            self._buffer.put_back(records)
            raise
        again: set[int] = set()
        for part, error in deliveries:
            if error is None:
                self._buffer.settle(part, delivered=True)
            elif isinstance(error, UnavailableError) or len(part) > 1:
                self._reporter.trouble(
                    str(error) if isinstance(error, UnavailableError) else _name(error)
                )
                again.update(map(id, part))
            else:
                self._reporter.trouble(_name(error))
                self._buffer.settle(part, delivered=False)
        self._buffer.put_back([record for record in records if id(record) in again])
        refused = any(e and not isinstance(e, UnavailableError) for _, e in deliveries)
        self._round_events = (
            max(1, len(records) // 2) if refused else min(self._round_events * 2, ROUND_EVENTS)
        )
        if any(error for _, error in deliveries):
            await self._drop_producer()
        return not again or refused

    async def _answer(self, delivering: Coroutine[None, None, list[Delivery]]) -> list[Delivery]:
        """What the broker says of a round, waiting for it no longer than ``GIVE_UP_S``."""
        task = asyncio.create_task(delivering)
        try:
            for _ in range(int(GIVE_UP_S / STALL_S)):
                done, _ = await asyncio.wait({task}, timeout=STALL_S)
                if done:
                    return task.result()
                self._reporter.trouble("no answer")
        finally:
            task.cancel()
        await self._drop_producer()
        raise UnavailableError("no answer")

    async def _drop_producer(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            await producer.stop(1.0)

    async def _sleep(self) -> None:
        """Wait to be woken. The agent's thread only does so while ``asleep`` is set."""
        self._wake.clear()
        self.asleep = True
        if not self._buffer and not self.stopping:  # one may have come before the flag was up
            await self._wake.wait()
        self.asleep = False

    async def _pause(self, seconds: float) -> None:
        """Wait ``seconds``, less if somebody hurries."""
        self._wake.clear()
        try:
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            return


def _name(error: Exception) -> str:
    return type(error).__name__
