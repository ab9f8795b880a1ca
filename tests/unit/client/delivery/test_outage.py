"""A client whose broker hangs: the same tests with a broker in memory and with librdkafka."""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

import pytest
from tests.support.client.mock_kafka import MockKafka, stored
from tests.support.client.producers import MemoryProducer, in_place_of_kafka
from tests.support.polling import eventually_sync

from gnomon import Client, codec
from gnomon.events import ClientStats, TaskCancelled, TaskEvent


class Broker(Protocol):
    """A broker that can be made to hang."""

    brokers: str

    def stop(self) -> None: ...

    def go_on(self) -> None: ...

    def values(self, topic: str) -> Sequence[bytes]: ...


class InMemory:
    def __init__(self) -> None:
        self.brokers = "kafka.invalid:9092"
        self.producer = MemoryProducer()

    def stop(self) -> None:
        self.producer.hangs = True

    def go_on(self) -> None:
        self.producer.hangs = False

    def values(self, topic: str) -> Sequence[bytes]:
        records = self.producer.records
        if topic == "client-stats":
            records = [record for _, record in self.producer.untracked_records]
        return [record.value for record in records]


class OfLibrdkafka(MockKafka):
    def values(self, topic: str) -> Sequence[bytes]:
        return [message.value() or b"" for message in stored(self.brokers, topic)]


@pytest.fixture(params=["in memory", "librdkafka"])
def broker(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Broker]:
    if request.param == "in memory":
        made = InMemory()
        monkeypatch.setattr("gnomon.client.capture.intake.kafka", in_place_of_kafka(made.producer))
        yield made
        return
    with OfLibrdkafka() as real:
        yield real


def publish(client: Client, numbers: range) -> None:
    for number in numbers:
        assert client.emit(
            TaskCancelled(agent_id=f"a{number % 3}", task_id=f"{number}", cancelled_at_ms=1)
        )


def events(broker: Broker) -> list[TaskEvent]:
    return [codec.decode_task_event(value) for value in broker.values("task-events")]


def by_agent(found: Sequence[TaskEvent], count: int) -> None:
    """Check that every event is stored, each agent's in order, ignoring repeats."""
    for agent in range(3):
        mine = [int(e.task_id) for e in found if e.agent_id == f"a{agent}"]
        assert list(dict.fromkeys(mine)) == list(range(agent, count, 3))


def bulletins(broker: Broker) -> list[ClientStats]:
    found = [codec.decode_client_event(value) for value in broker.values("client-stats")]
    return [one for one in found if isinstance(one, ClientStats)]


def test_everything_arrives_once_in_order_and_numbered(broker: Broker) -> None:
    with Client(broker.brokers) as client:
        publish(client, range(5_000))
        assert client.flush(20) == 0

    found = events(broker)
    by_agent(found, 5_000)
    assert len(found) == 5_000
    assert len({event.producer_id for event in found}) == 1
    assert sorted(event.seq for event in found if event.seq is not None) == list(range(5_000))


def test_the_final_stats_account_for_every_event(broker: Broker) -> None:
    with Client(broker.brokers) as client:
        publish(client, range(10))
        assert client.emit("nonsense") is False  # type: ignore[arg-type]
        assert client.flush(20) == 0

    (told,) = bulletins(broker)
    assert (told.sent, told.accepted, told.delivered, told.waiting) == (10, 10, 10, 0)
    assert (told.dropped_invalid, told.ended) == (1, True)
    assert told.producer_id == events(broker)[0].producer_id


def test_a_client_that_sent_nothing_publishes_no_stats(broker: Broker) -> None:
    with Client(broker.brokers) as client:
        assert client.emit("nonsense") is False  # type: ignore[arg-type]

    assert bulletins(broker) == []


def test_after_a_hang_nothing_is_missing_and_nothing_twice(broker: Broker) -> None:
    with Client(broker.brokers) as client:
        publish(client, range(100))
        assert client.flush(20) == 0
        broker.stop()
        publish(client, range(100, 3_000))
        assert client.flush(1.5) == 2_900
        broker.go_on()
        assert client.flush(20) == 0

    found = events(broker)
    by_agent(found, 3_000)
    assert len(found) == 3_000


@pytest.mark.parametrize("timeout_s", [0.2, 1.0])
def test_a_hanging_broker_delays_close_no_longer_than_its_limit(
    broker: Broker, timeout_s: float
) -> None:
    client = Client(broker.brokers)
    publish(client, range(100))
    assert client.flush(20) == 0
    broker.stop()
    publish(client, range(100, 1_500))
    began_s = time.monotonic()

    assert client.close(timeout_s) == 1_400
    assert timeout_s * 0.8 < time.monotonic() - began_s < timeout_s + 0.3
    stats = client.stats()
    assert (stats.accepted, stats.delivered, stats.in_flight) == (1_500, 100, 0)


def test_spooled_events_arrive_after_the_hang(broker: Broker, tmp_path: Path) -> None:
    with Client(broker.brokers, spool_dir=str(tmp_path / "spool")) as client:
        publish(client, range(100))
        eventually_sync(lambda: client.stats().delivered == 100, what="a good start")
        broker.stop()
        publish(client, range(100, 3_000))
        eventually_sync(lambda: client.stats().spooled == 2_900, what="all is in the spool")
        broker.go_on()
        eventually_sync(lambda: client.stats().delivered == 3_000, what="all is delivered")

    found = events(broker)
    by_agent(found, 3_000)
    assert {event.seq for event in found} == set(range(3_000))


def test_the_next_client_sends_the_events_that_one_client_spooled(
    broker: Broker, tmp_path: Path
) -> None:
    spool = str(tmp_path / "spool")
    first = Client(broker.brokers, spool_dir=spool)
    publish(first, range(100))
    eventually_sync(lambda: first.stats().delivered == 100, what="a good start")
    broker.stop()
    publish(first, range(100, 2_000))
    first.close(2.0)
    assert first.stats().spooled == 1_900
    broker.go_on()
    with Client(broker.brokers, spool_dir=spool) as second:
        publish(second, range(2_000, 2_010))
        eventually_sync(lambda: second.stats().replayed == 1_900, what="the spool is sent")
        eventually_sync(lambda: second.stats().delivered == 10, what="its own is sent")

    found = {(event.producer_id, event.seq): int(event.task_id) for event in events(broker)}
    assert sorted(found.values()) == list(range(2_010))
    assert len({producer for producer, _ in found}) == 2
