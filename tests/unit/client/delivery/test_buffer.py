"""The buffer is bounded and keeps the order, and its counts add up whatever happens to events."""

import gc
import sys
import threading
from collections.abc import Iterator

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gnomon.client import MemoryClient
from gnomon.client.delivery.buffer import Buffer
from gnomon.client.records import Record
from gnomon.events import TaskFinished, TaskStarted

STARTED = TaskStarted(agent_id="a", task_id="t", task_type="x", started_at_ms=1)
FINISHED = TaskFinished(
    agent_id="a",
    task_id="t",
    task_type="x",
    started_at_ms=1,
    finished_at_ms=2,
    duration_s=1.0,
    succeeded=True,
)


def record(number: int, size: int = 10) -> Record:
    return Record(b"k", str(number).encode().ljust(size - 1, b"."))


steps = st.lists(
    st.one_of(
        st.tuples(st.just("offer"), st.integers(1, 60)),
        st.tuples(st.just("take"), st.integers(1, 8)),
        st.tuples(st.sampled_from(["deliver", "fail", "return", "spool", "grow"]), st.just(0)),
        st.tuples(st.sampled_from(["replay", "refuse"]), st.integers(1, 3)),
    ),
    max_size=80,
)


@given(steps)
def test_events_leave_in_order_and_are_all_accounted_for(program: list[tuple[str, int]]) -> None:
    buffer = Buffer(max_events=12, max_bytes=300)
    waiting: list[Record] = []
    flying: list[Record] = []
    counts = {"accepted": 0, "full": 0, "deliver": 0, "fail": 0, "spool": 0}
    for number, (what, amount) in enumerate(program):
        if what == "offer":
            one = record(number, amount)
            size = sum(len(r.key) + len(r.value) for r in [*waiting, *flying, one])
            fits = len(waiting) + len(flying) < 12 and size <= 300
            assert buffer.offer(one) is fits
            counts["accepted" if fits else "full"] += 1
            waiting += [one] * fits
        elif what == "take":
            if not flying:
                flying = buffer.take(max_events=amount, max_bytes=100)
                assert flying == waiting[: len(flying)]
                assert len(flying) <= amount
                assert bool(flying) is bool(waiting)
                waiting = waiting[len(flying) :]
        elif what == "grow":
            flying = [Record(r.key, r.value + b"+") for r in flying]
            buffer.grow(len(flying))
        elif what == "return":
            buffer.put_back(flying)
            waiting, flying = [*flying, *waiting], []
        elif what in {"replay", "refuse"}:
            if (amount := min(amount, counts["spool"])) > 0:
                buffer.settle_spooled(amount, delivered=what == "replay")
                counts["spool"] -= amount
                counts["deliver" if what == "replay" else "fail"] += amount
        elif what == "spool":
            buffer.spool(flying)
            counts["spool"] += len(flying)
            flying = []
        else:
            buffer.settle(flying, delivered=what == "deliver")
            counts[what] += len(flying)
            flying = []
        stats = buffer.stats()
        assert (stats.buffered, stats.in_flight) == (len(waiting), len(flying))
        assert (stats.accepted, stats.dropped_full) == (counts["accepted"], counts["full"])
        assert (stats.delivered, stats.failed) == (counts["deliver"], counts["fail"])
        assert stats.spooled == counts["spool"]
        assert buffer.pending == len(waiting) + len(flying)
        assert stats.buffered_bytes == sum(len(r.key) + len(r.value) for r in [*waiting, *flying])


def test_starts_are_shed_at_four_fifths() -> None:
    buffer = Buffer(max_events=10, max_bytes=10_000)
    for number in range(7):
        buffer.offer(record(number))
    assert buffer.has_room(start=True)

    buffer.offer(record(8))
    assert not buffer.has_room(start=True)
    assert buffer.has_room(start=False)
    buffer.offer(record(9))
    buffer.offer(record(10))
    assert not buffer.has_room(start=False)
    assert (buffer.stats().shed_starts, buffer.stats().dropped_full) == (1, 1)


def test_starts_are_shed_by_bytes_too() -> None:
    buffer = Buffer(max_events=1_000, max_bytes=100)
    buffer.offer(record(1, size=80))

    assert not buffer.has_room(start=True)
    assert buffer.has_room(start=False)


@pytest.fixture
def _impatient_threads() -> Iterator[None]:
    """Let threads switch at every opportunity."""
    interval_s = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval_s)


@pytest.mark.usefixtures("_impatient_threads")
def test_many_threads_at_once_lose_and_exceed_nothing() -> None:
    buffer = Buffer(max_events=200, max_bytes=1_900)
    offered = [0, 0, 0, 0]
    taken: list[Record] = []
    most = [0, 0]
    running = threading.Event()
    running.set()

    def offer(worker: int) -> None:
        for number in range(8_000):
            if buffer.has_room(start=False):
                offered[worker] += buffer.offer(Record(b"%d" % worker, b"%08d" % number))

    def deliver() -> None:
        while running.is_set() or buffer:
            records = buffer.take(max_events=37, max_bytes=10_000)
            stats = buffer.stats()
            most[0] = max(most[0], stats.buffered + stats.in_flight)
            most[1] = max(most[1], stats.buffered_bytes)
            if len(taken) % 3:
                buffer.put_back(records)
                records = buffer.take(max_events=37, max_bytes=10_000)
            taken.extend(records)
            buffer.settle(records, delivered=True)

    reader = threading.Thread(target=deliver)
    writers = [threading.Thread(target=offer, args=(worker,)) for worker in range(4)]
    for thread in [reader, *writers]:
        thread.start()
    for thread in writers:
        thread.join()
    running.clear()
    reader.join()

    stats = buffer.stats()
    assert stats.accepted == stats.delivered == sum(offered) == len(taken)
    assert stats.accepted + stats.dropped == 4 * 8_000
    assert (stats.buffered, stats.in_flight, stats.buffered_bytes) == (0, 0, 0)
    assert most[0] <= 200
    assert most[1] <= 1_900
    for worker in range(4):
        own = [r.value for r in taken if r.key == b"%d" % worker]
        assert own == sorted(own)


@pytest.mark.usefixtures("_impatient_threads")
@pytest.mark.parametrize("what", ["a start", "an end"])
def test_many_threads_that_emit_lose_and_exceed_nothing(what: str) -> None:
    client = MemoryClient(max_events=200, max_bytes=65_536)
    buffer = client._intake.buffer
    event = STARTED if what == "a start" else FINISHED
    accepted = [0, 0, 0, 0]
    most_waited, most_bytes, taken = 0, 0, 0
    running = threading.Event()
    running.set()

    def emit(worker: int) -> None:
        for _ in range(8_000):
            accepted[worker] += client.emit(event)

    def deliver() -> None:
        nonlocal most_waited, most_bytes, taken
        while running.is_set() or buffer:
            stats = buffer.stats()
            most_waited = max(most_waited, stats.buffered + stats.in_flight)
            most_bytes = max(most_bytes, stats.buffered_bytes)
            records = buffer.take(max_events=37, max_bytes=10_000)
            buffer.grow(5 * len(records))
            grown = [Record(r.key, r.value + b"     ") for r in records]
            buffer.settle(grown, delivered=True)
            taken += len(records)

    threads = [threading.Thread(target=emit, args=(worker,)) for worker in range(4)]
    reader = threading.Thread(target=deliver)
    for thread in [reader, *threads]:
        thread.start()
    for thread in threads:
        thread.join()
    running.clear()
    reader.join()

    stats = buffer.stats()
    assert stats.accepted == stats.delivered == sum(accepted) == taken
    assert stats.accepted + stats.dropped_full + stats.shed_starts == 4 * 8_000
    assert (stats.buffered, stats.in_flight, stats.buffered_bytes, buffer.pending) == (0, 0, 0, 0)
    assert most_waited <= 200
    assert most_bytes <= 65_536


def test_the_garbage_collector_does_not_track_waiting_events_without_mappings() -> None:
    client = MemoryClient()
    with_context = msgspec.structs.replace(FINISHED, context={"size": 1})
    for event in (STARTED, FINISHED, with_context):
        assert client.emit(event)
    gc.collect()

    # The third has a dict of the agent's own values, which may hold anything: it shows the difference.
    assert list(map(gc.is_tracked, client._intake.buffer.queue)) == [False, False, True]


def test_an_unencoded_event_counts_with_its_estimate_and_then_with_its_size() -> None:
    buffer = Buffer(max_events=10, max_bytes=1_000)
    made = record(1, size=30)

    assert buffer.offer_later((400, lambda later: later[2], made))
    assert buffer.stats().buffered_bytes == 400
    assert not buffer.offer_later((601, lambda later: later[2], made))
    assert buffer.take(max_events=5, max_bytes=1_000) == [made]
    assert buffer.stats().buffered_bytes == 30
    buffer.put_back([made])
    assert buffer.stats().buffered_bytes == 30
    buffer.settle(buffer.take(max_events=5, max_bytes=1_000), delivered=True)
    assert (buffer.stats().buffered_bytes, buffer.stats().delivered) == (0, 1)


def test_an_unencoded_event_that_does_not_fit_a_take_is_the_next_to_go() -> None:
    buffer = Buffer(max_events=10, max_bytes=10_000)
    records = [record(number, size=60) for number in range(3)]
    calls: list[Record] = []

    def make(later: tuple[int, object, Record]) -> Record:
        calls.append(later[2])
        return later[2]

    for one in records:
        buffer.offer_later((50, make, one))

    assert buffer.take(max_events=5, max_bytes=100) == records[:1]
    assert buffer.take(max_events=5, max_bytes=120) == records[1:]
    assert calls == records  # each is encoded once


def test_an_event_that_cannot_be_encoded_has_failed_and_the_next_one_goes() -> None:
    buffer = Buffer(max_events=10, max_bytes=1_000)
    made = record(1, size=30)

    def fail(later: tuple[int, object]) -> Record:
        raise TypeError

    for event in ((100, fail), (50, lambda later: made), (70, fail)):
        assert buffer.offer_later(event)

    assert buffer.take(max_events=2, max_bytes=1_000) == [made]
    stats = buffer.stats()
    assert (stats.accepted, stats.failed, stats.in_flight, stats.buffered) == (3, 2, 1, 0)
    assert (stats.buffered_bytes, buffer.pending, buffer.encode_failures) == (30, 1, 2)
