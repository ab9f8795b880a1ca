"""Sends the stream evenly, and holds it while a fault changes the log."""

import asyncio
import json
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from tests.faults.history import History
from tests.faults.stream import Sent

from gnomon.connection import KafkaConnection, aiokafka_clients

TICK_S = 0.05
PUBLISH_MS = 400_000
"""How long a record waits for a broker that starts."""


@dataclass(frozen=True, slots=True)
class Placed:
    """One record that was sent, and where the broker put it."""

    life: int
    partition: int
    offset: int
    record: Sent


class Publisher:
    """Sends all records of a stream over ``seconds``.

    A start that was sent is not sent again after the topic has been made again: nobody could tell it from
    a new task.

    Args:
        kafka: Where to.
        sent: The stream.
        seconds: How long it flows, without the times in which it is held.

    Attributes:
        placed: What was sent, in order.
        over: Whether all was sent.
    """

    def __init__(self, kafka: KafkaConnection, sent: Sequence[Sent], *, seconds: float) -> None:
        self.placed: list[Placed] = []
        self.over = False
        self._kafka, self._sent, self._seconds = kafka, sent, seconds
        self._next, self._life = 0, 0
        self._begun_s, self._held_s = time.monotonic(), 0.0
        self._held_from_s: float | None = None
        self._free = asyncio.Event()
        self._free.set()
        self._starts: dict[str, int] = {}
        self._deliveries: list[tuple[Sent, Any]] = []
        self._sending = asyncio.Lock()

    async def run(self) -> None:
        """Send everything; return when the broker has acknowledged it."""
        self._begun_s = time.monotonic()
        while self._next < len(self._sent):
            async with self._sending, self._producer() as producer:
                while self._next < len(self._sent):
                    await self._send(producer, min(1.0, self.flown_s / self._seconds))
                    if not self._free.is_set():
                        break
                    await asyncio.sleep(TICK_S)
            await self._free.wait()
        self.over = True

    @property
    def flown_s(self) -> float:
        """How long the stream has flown: it stands still while it is held."""
        now_s = time.monotonic() if self._held_from_s is None else self._held_from_s
        return now_s - self._begun_s - self._held_s

    @asynccontextmanager
    async def held(self) -> AsyncIterator[None]:
        """Inside it nothing is sent, and all that was sent is acknowledged."""
        self._free.clear()
        try:
            async with self._sending:
                self._held_from_s = time.monotonic()
                yield
                self._held_s += time.monotonic() - self._held_from_s
                self._held_from_s = None
        finally:
            self._free.set()

    def begin_life(self) -> None:
        """Note that the topic was made again; to be called while the stream is held."""
        self._life += 1

    @asynccontextmanager
    async def _producer(self) -> AsyncIterator[Any]:
        producer = aiokafka_clients.producer(
            self._kafka, enable_idempotence=True, linger_ms=5, request_timeout_ms=PUBLISH_MS
        )
        await producer.start()
        self._deliveries = []
        try:
            yield producer
            for record, delivery in self._deliveries:
                place = await delivery
                self.placed.append(Placed(self._life, place.partition, place.offset, record))
        finally:
            await producer.stop()

    async def _send(self, producer: Any, part: float) -> None:
        """Send what is due when ``part`` of the time has passed."""
        due = int(part * len(self._sent)) + 1
        for record in self._sent[self._next : due]:
            start = _start_of(record)
            if start is not None and self._starts.setdefault(start, self._life) < self._life:
                continue
            delivery = await producer.send("task-events", record.value, key=record.key)
            self._deliveries.append((record, delivery))
        self._next = min(due, len(self._sent))


def told_records(placed: Sequence[Placed], history: History) -> int:
    """Return how many records the workers have to report of the processes that numbered them.

    A state begins anew with each life of the topic, so what counts of a process is its last life.
    """
    counts: dict[tuple[int, str], Counter[int]] = defaultdict(Counter)
    for place in placed:
        if place.record.named and not history.unread(place.life, place):
            producer = json.loads(place.record.value or b"")["producer_id"]
            counts[place.partition, producer][place.life] += 1
    return sum(of_lives[max(of_lives)] for of_lives in counts.values())


def _start_of(record: Sent) -> str | None:
    """Return what identifies a start; ``None`` of other records."""
    if record.poison or record.value is None:
        return None
    event = json.loads(record.value)
    if event["kind"] != "task_started.v1":
        return None
    return f"{event['agent_id']}/{event['task_id']}"
