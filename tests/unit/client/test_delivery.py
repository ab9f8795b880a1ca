"""The loop between buffer and broker: order kept, trouble outlived, refusals isolated."""

import asyncio
import logging
from collections.abc import Callable, Sequence

import pytest
from tests.support.polling import eventually

from gnomon.client import delivery
from gnomon.client.buffer import Buffer, Record
from gnomon.client.delivery import Delivery, Loop, Producer, UnavailableError
from gnomon.client.report import Limiter, Reporter

Answer = Callable[[Sequence[Record]], list[Delivery]]


class Broker:
    """Answers rounds as ``answers`` say, then stores everything."""

    def __init__(self, *answers: Answer | Exception) -> None:
        self.answers = list(answers)
        self.stored: list[Record] = []
        self.rounds: list[int] = []
        self.connections = 0
        self.stopped = 0

    async def connect(self) -> Producer:
        self.connections += 1
        return self

    async def deliver(self, records: Sequence[Record]) -> list[Delivery]:
        self.rounds.append(len(records))
        answer = self.answers.pop(0) if self.answers else stored
        if isinstance(answer, Exception):
            raise answer
        deliveries = answer(records)
        for part, error in deliveries:
            self.stored += part if error is None else []
        return deliveries

    async def stop(self, timeout_s: float) -> None:
        self.stopped += 1


def stored(records: Sequence[Record]) -> list[Delivery]:
    return [Delivery(records, None)]


def unavailable(records: Sequence[Record]) -> list[Delivery]:
    return [Delivery(records, UnavailableError("down"))]


def half_unavailable(records: Sequence[Record]) -> list[Delivery]:
    return [
        Delivery([r for r in records if r.key == b"a"], UnavailableError("down")),
        Delivery([r for r in records if r.key == b"b"], None),
    ]


def filled(count: int) -> Buffer:
    buffer = Buffer(max_events=10_000, max_bytes=1 << 30)
    for number in range(count):
        buffer.offer(Record(b"ab"[number % 2 : number % 2 + 1], b"%05d" % number))
    return buffer


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "BACKOFF_FIRST_S", 0.001)
    monkeypatch.setattr(delivery, "BACKOFF_MOST_S", 0.002)
    monkeypatch.setattr(delivery, "LINGER_S", 0.001)


async def empty(buffer: Buffer, broker: Broker) -> Loop:
    """Run the loop until the buffer is empty."""
    reporter = Reporter(buffer, limiter=Limiter())
    loop = Loop(buffer, connect=broker.connect, reporter=reporter)
    loop.stop()
    async with asyncio.timeout(10):
        await loop.run()
    return loop


@pytest.mark.parametrize(
    "trouble",
    [
        pytest.param(unavailable, id="a failed round"),
        pytest.param(half_unavailable, id="one of two partitions failed"),
        pytest.param(UnavailableError("gone"), id="no partitions"),
        pytest.param(RuntimeError("bug"), id="an error nobody expected"),
    ],
)
async def test_trouble_is_outlived_in_order(trouble: Answer | Exception) -> None:
    buffer, broker = filled(100), Broker(trouble, trouble)

    await empty(buffer, broker)

    assert buffer.stats().delivered == 100
    assert buffer.stats().failed == 0
    for key in (b"a", b"b"):
        values = [r.value for r in broker.stored if r.key == key]
        assert values == sorted(values)
        assert len(values) == 50


async def test_a_failed_round_is_tried_on_a_new_producer() -> None:
    buffer, broker = filled(4), Broker(unavailable)

    await empty(buffer, broker)

    assert broker.connections == 2
    assert broker.stopped == 2


async def test_only_the_refused_event_fails() -> None:
    buffer = filled(100)
    broker = Broker()

    def refuse_number_37(records: Sequence[Record]) -> list[Delivery]:
        if any(record.value == b"00037" for record in records):
            return [Delivery(records, ValueError("too large"))]
        return stored(records)

    broker.answers = [refuse_number_37] * 400
    await empty(buffer, broker)

    assert (buffer.stats().delivered, buffer.stats().failed) == (99, 1)
    assert [int(r.value) for r in broker.stored] == [n for n in range(100) if n != 37]


async def test_a_broker_that_never_answers_is_left_for_a_new_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(delivery, "STALL_S", 0.01)
    monkeypatch.setattr(delivery, "GIVE_UP_S", 0.03)
    buffer, broker = filled(6), Broker()
    hang = asyncio.Event()
    deliver = broker.deliver

    async def hang_once(records: Sequence[Record]) -> list[Delivery]:
        if broker.connections == 1:
            await hang.wait()
        return await deliver(records)

    monkeypatch.setattr(broker, "deliver", hang_once)
    await empty(buffer, broker)

    assert broker.connections == 2
    assert [int(r.value) for r in broker.stored] == list(range(6))


async def test_cancelling_leaves_events_in_the_buffer() -> None:
    buffer, broker = filled(6), Broker()
    reached, never = asyncio.Event(), asyncio.Event()

    async def hang(records: Sequence[Record]) -> list[Delivery]:
        reached.set()
        await never.wait()
        return stored(records)

    broker.deliver = hang  # type: ignore[method-assign]
    loop = Loop(buffer, connect=broker.connect, reporter=Reporter(buffer, limiter=Limiter()))
    task = asyncio.create_task(loop.run())
    await reached.wait()
    task.cancel()
    await asyncio.wait({task})

    assert (buffer.stats().buffered, buffer.stats().in_flight) == (6, 0)
    assert broker.stopped == 1


async def test_a_sleeping_loop_wakes_for_an_event() -> None:
    buffer, broker = filled(0), Broker()
    loop = Loop(buffer, connect=broker.connect, reporter=Reporter(buffer, limiter=Limiter()))
    task = asyncio.create_task(loop.run())
    async with asyncio.timeout(10):
        await eventually(lambda: loop.asleep, what="the loop sleeps")
        buffer.offer(Record(b"a", b"1"))
        loop.wake()
        await eventually(lambda: not buffer.pending, what="the event is stored")
        loop.stop()
        await task

    assert broker.stored == [Record(b"a", b"1")]


async def test_at_most_one_line_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    now_s = [100.0]
    buffer = filled(1)
    reporter = Reporter(buffer, limiter=Limiter(lambda: now_s[0]))
    with caplog.at_level(logging.DEBUG, logger="gnomon"):
        for now_s[0] in (100.0, 101.0, 159.9, 160.0, 219.9):
            reporter.trouble("down")

    assert len(caplog.records) == 2
    assert "down (delivered 0, waiting 1, failed 0, dropped 0)" in caplog.messages[0]


def test_a_full_buffer_is_spoken_of(caplog: pytest.LogCaptureFixture) -> None:
    buffer = Buffer(max_events=1, max_bytes=100)
    reporter = Reporter(buffer, limiter=Limiter())
    reporter.look()
    buffer.offer(Record(b"a", b"1"))
    buffer.offer(Record(b"a", b"2"))
    with caplog.at_level(logging.DEBUG, logger="gnomon"):
        reporter.look()

    assert ["the buffer is full" in message for message in caplog.messages] == [True]
