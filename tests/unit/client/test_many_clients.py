"""Several clients in a process share one thread, and one handle for the same brokers; no more."""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

import pytest
from tests.support.client.handles import MemoryHandle, Opened, background_threads
from tests.support.client.mock_kafka import MockKafka, stored
from tests.support.polling import eventually_sync
from tests.support.scripts import run

from gnomon import Client, codec
from gnomon.events import TaskCancelled


class Broker(Protocol):
    """A broker of the clients under test, and the handles they opened."""

    brokers: str
    opened: Opened

    def values(self, topic: str) -> Sequence[bytes]: ...


class InMemory:
    def __init__(self, opened: Opened) -> None:
        self.brokers, self.opened = "kafka.invalid:9092", opened

    def values(self, topic: str) -> Sequence[bytes]:
        return [value for handle in self.opened.in_memory for value in handle.values(topic)]


class OfLibrdkafka(MockKafka):
    opened: Opened

    def values(self, topic: str) -> Sequence[bytes]:
        return [message.value() or b"" for message in stored(self.brokers, topic)]


@pytest.fixture(params=["in memory", "librdkafka"])
def broker(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Broker]:
    opened = Opened(real=request.param == "librdkafka")
    monkeypatch.setattr("gnomon.client.delivery.connections.open_kafka", opened)
    if request.param == "in memory":
        yield InMemory(opened)
        return
    with OfLibrdkafka() as real:
        real.opened = opened
        yield real


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Opened:
    made = Opened()
    monkeypatch.setattr("gnomon.client.delivery.connections.open_kafka", made)
    return made


def publish(client: Client, numbers: range) -> None:
    for number in numbers:
        assert client.emit(TaskCancelled(agent_id="a", task_id=f"{number}", cancelled_at_ms=1))


def numbers(values: Sequence[bytes]) -> list[int]:
    return [int(codec.decode_task_event(value).task_id) for value in values]


def handle_of(opened: Opened, client: Client) -> MemoryHandle:
    """Return the handle of a client that is the first to connect."""
    publish(client, range(1))
    assert client.flush(5) == 0
    return opened.in_memory[-1]


def test_all_clients_of_a_process_have_one_thread(broker: Broker) -> None:
    elsewhere = "127.0.0.1:9"
    with Client(broker.brokers) as one, Client(broker.brokers) as two:
        other = Client(elsewhere, exit_timeout_s=0.1)
        assert background_threads() == 0
        for client in (one, two, other):
            publish(client, range(100))
        assert one.flush(20) == two.flush(20) == 0
        assert background_threads() == 1
        other.close()
        assert background_threads() == 1

    eventually_sync(lambda: background_threads() == 0, what="the thread ends with the last")


def test_clients_of_the_same_brokers_share_a_handle_and_keep_their_topics(broker: Broker) -> None:
    with (
        Client(broker.brokers, topic_prefix="one-") as one,
        Client(broker.brokers, topic_prefix="two-") as two,
    ):
        publish(one, range(2_000))
        publish(two, range(5_000, 6_000))
        assert one.flush(20) == two.flush(20) == 0
        assert (one.stats().delivered, two.stats().delivered) == (2_000, 1_000)
        assert len(broker.opened.all) == 1

    assert numbers(broker.values("one-task-events")) == list(range(2_000))
    assert numbers(broker.values("two-task-events")) == list(range(5_000, 6_000))
    for topic, sent in (("one-client-stats", 2_000), ("two-client-stats", 1_000)):
        (told,) = [codec.decode_client_event(value) for value in broker.values(topic)]
        assert (getattr(told, "sent", 0), getattr(told, "ended", False)) == (sent, True)


def test_closing_one_leaves_the_other_as_it_is(broker: Broker) -> None:
    one, two = Client(broker.brokers), Client(broker.brokers, topic_prefix="two-")
    publish(one, range(500))
    publish(two, range(500))
    assert one.close(20) == 0
    publish(two, range(500, 1_000))
    assert two.close(20) == 0

    assert len(broker.opened.all) == 1
    assert numbers(broker.values("two-task-events")) == list(range(1_000))
    assert numbers(broker.values("task-events")) == list(range(500))


def test_the_handle_goes_with_the_last_client_and_comes_with_the_next(opened: Opened) -> None:
    for _ in range(2):
        with Client("one:9092, two:9092") as one, Client("two:9092, one:9092") as two:
            handle = handle_of(opened, one)
            publish(two, range(1))
            assert two.flush(5) == 0
            one.close()
            assert handle.closed == 0
        eventually_sync(lambda made=handle: made.closed == 1, what="it is closed")  # type: ignore[misc]

    assert len(opened.all) == 2


@pytest.mark.parametrize("spools", [False, True])
def test_a_broker_that_hangs_for_one_does_not_hold_up_the_other(
    opened: Opened, tmp_path: Path, *, spools: bool
) -> None:
    spool = str(tmp_path / "spool") if spools else ""
    with Client("two:9092") as good, Client("one:9092", spool_dir=spool) as bad:
        handle_of(opened, bad).hanging.add("task-events")
        handle_of(opened, good)
        slowest_s = 0.0
        until_s = time.monotonic() + 3.0
        while time.monotonic() < until_s:
            bad.start("x", agent_id="a")
            publish(good, range(50))
            began_s = time.monotonic()
            assert good.flush(5) == 0
            slowest_s = max(slowest_s, time.monotonic() - began_s)
        assert slowest_s < 0.5  # a tick, a step of each client, and time for a busy machine
        assert bad.close(0.1) > 0 or spools


def test_a_flush_and_a_close_wait_for_their_own_events_only(opened: Opened) -> None:
    with Client("one:9092") as good, Client("one:9092", topic_prefix="bad-") as bad:
        handle = handle_of(opened, good)
        handle.hanging.add("bad-task-events")
        publish(bad, range(100))
        publish(good, range(1, 100))
        began_s = time.monotonic()
        assert good.flush(5) == good.close(5) == 0
        assert time.monotonic() - began_s < 1.0
        assert bad.close(0.2) == 100


@pytest.mark.parametrize("spools", [False, True])
def test_events_that_others_have_in_flight_are_never_taken_back(
    opened: Opened, tmp_path: Path, *, spools: bool
) -> None:
    """Neither if the client without answers ends, nor if it goes on with a spool."""
    spool = str(tmp_path / "spool") if spools else ""
    with Client("one:9092", topic_prefix="kept-") as kept:
        ending = Client("one:9092", spool_dir=spool)
        handle = handle_of(opened, kept)
        handle.hanging.update({"task-events", "kept-task-events"})
        handle.in_flight = 1_000
        publish(ending, range(100))
        publish(kept, range(1, 100))
        eventually_sync(lambda: kept.stats().in_flight == 99, what="it is under way")
        time.sleep(1.3)  # after a second without an answer events go to the spool
        assert ending.close(0.2) == (0 if spools else 100)
        handle.hanging.clear()
        assert kept.flush(5) == 0

    assert True not in handle.purges
    assert numbers(handle.values("kept-task-events")) == list(range(100))
    assert ending.stats().in_flight == 0


def test_unsent_events_are_taken_back_once_no_client_gets_answers(opened: Opened) -> None:
    """librdkafka would take a whole core while it holds records that it may not send."""
    with Client("one:9092") as one, Client("one:9092", topic_prefix="two-") as two:
        handle = handle_of(opened, one)
        handle.hanging.add("task-events")
        publish(one, range(1, 100))
        handle.hanging.add("two-task-events")
        publish(two, range(200))
        eventually_sync(lambda: handle.purges, what="it is taken back")
        handle.hanging.clear()
        assert one.flush(5) == two.flush(5) == 0

    assert set(handle.purges) == {False}
    assert numbers(handle.values("task-events")) == list(range(100))
    assert numbers(handle.values("two-task-events")) == list(range(200))


def test_a_client_whose_topic_is_missing_gets_a_handle_of_its_own(opened: Opened) -> None:
    """The other client keeps its handle, and none of its events is sent again."""
    with Client("one:9092") as good, Client("one:9092", topic_prefix="no-") as bad:
        first = handle_of(opened, good)
        first.missing.add("no-task-events")
        first.hanging.add("task-events")
        publish(good, range(1, 50))
        publish(bad, range(50))
        assert bad.flush(5) == 0
        first.hanging.clear()
        assert good.flush(5) == 0
        good.close()
        eventually_sync(lambda: first.closed == 1, what="nobody has the first any more")

    second = opened.in_memory[1]
    assert len(opened.all) == 2
    assert numbers(first.values("task-events")) == list(range(50))
    assert numbers(second.values("no-task-events")) == list(range(50))


IN_MEMORY = """
import os, sys, time
from gnomon import Client
from gnomon.client.delivery import connections
from tests.support.client.handles import Opened, background_threads
connections.open_kafka = opened = Opened()
"""


def test_a_fork_with_two_clients() -> None:
    """The child has one thread and one handle for both clients; the parent keeps its own."""
    body = """
    import os, sys
    from gnomon import Client
    from tests.support.client.handles import background_threads
    one = Client(sys.argv[1], agent_id="a", exit_timeout_s=10)
    two = Client(sys.argv[1], agent_id="a", topic_prefix="two-", exit_timeout_s=10)
    def say(what):
        for client in (one, two):
            for _ in range(20):
                client.start(what)
    say("before")
    pid = os.fork()
    say("after")
    assert one.flush(10) == 0
    threads = background_threads()
    if pid == 0:
        one.close(10)
        sys.exit(threads - 1)
    assert os.waitpid(pid, 0)[1] == 0
    print(threads)
    """
    with MockKafka() as broker:
        done = run(body, arguments=(broker.brokers,))
        assert (done.returncode, done.stdout, done.stderr) == (0, "1\n", "")
        for topic in ("task-events", "two-task-events"):
            events = [
                codec.decode_task_event(m.value() or b"") for m in stored(broker.brokers, topic)
            ]
            types = [getattr(event, "task_type", "") for event in events]
            assert (types.count("before"), types.count("after"), len(types)) == (20, 40, 60)


def test_the_end_waits_for_the_longest_time_limit_and_not_for_the_sum() -> None:
    """The end is in time even while the thread is stuck in a call."""
    done = run(
        """
        import atexit, time
        atexit.register(lambda: print(time.monotonic() - ended[0]))
        """,
        IN_MEMORY,
        """
        clients = [Client(f"b{n}:9092", agent_id="a", exit_timeout_s=0.1 * n) for n in range(1, 9)]
        for client in clients:
            client.start("x")
            assert client.flush(5) == 0
        for handle in opened.in_memory:
            handle.hanging.add("task-events")
            handle.stuck_s = 5.0
        for client in clients:
            client.start("y")
        ended = [time.monotonic()]
        """,
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert 0.7 < float(done.stdout) < 1.5


def test_a_client_closed_in_the_background_thread_does_not_hold_it_up() -> None:
    """A logging handler runs in the background thread, and a finalizer may run there."""
    done = run(
        IN_MEMORY,
        """
        import logging
        took_s = []
        class Handler(logging.Handler):
            def emit(self, record):
                began_s = time.monotonic()
                other.flush(5)
                other.close(5)
                took_s.append(time.monotonic() - began_s)
        logging.getLogger("gnomon.client").addHandler(Handler())
        client, other = Client("one:9092", agent_id="a"), Client("two:9092", agent_id="a")
        other.start("x")
        assert other.flush(5) == 0
        opened.in_memory[0].hanging.add("task-events")
        other.start("y")
        client.emit("nonsense")
        client.start("z")
        assert client.flush(5) == 0
        print(took_s[0] < 0.5, len(took_s), client.stats().delivered)
        """,
    )

    assert (done.returncode, done.stdout) == (0, "True 1 1\n"), done.stderr
