"""Exposures over a client's connection: on a topic of their own, and no burden to its tasks."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.client.handles import Opened, background_threads
from tests.support.client.mock_kafka import MockKafka, stored
from tests.support.polling import eventually_sync

from gnomon import Client, MemoryClient, codec
from gnomon.client.delivery.ports import Handle
from gnomon.client.exposures import Stamp
from gnomon.client.process import hooks
from gnomon.connection import KafkaConnection
from gnomon.events import Exposure, TaskCancelled
from gnomon.experiment import Router

HALVES = {"control": 5_000, "short": 5_000}
UNITS = [f"repo-{n}" for n in range(300)]


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Opened:
    made = Opened()
    monkeypatch.setattr("gnomon.client.delivery.connections.open_kafka", made)
    return made


@pytest.fixture(autouse=True)
def _nothing_left_running() -> Iterator[None]:
    yield
    for one in hooks.registered():
        one.begin_close()
        one.end_close(1.0)


def expose(client: Client, units: list[str]) -> dict[str, str]:
    router = Router("prompts", HALVES, client=client)
    return {unit: router.exposed(unit) for unit in units}


def values(opened: Opened, topic: str) -> list[bytes]:
    return [value for handle in opened.in_memory for value in handle.values(topic)]


def test_a_broker_stores_them_by_unit_with_their_identity() -> None:
    with MockKafka() as kafka, Client(kafka.brokers, topic_prefix="p-") as client:
        given_to = expose(client, UNITS)
        assert client.exposures().flush(20) == 0
        messages = stored(kafka.brokers, "p-exposures")
        found = [codec.decode_exposure(message.value() or b"") for message in messages]
        partitions = {(message.key(), message.partition()) for message in messages}

    assert {exposure.unit: exposure.variant for exposure in found} == given_to
    assert sorted(exposure.seq or 0 for exposure in found) == list(range(len(UNITS)))
    assert len({exposure.producer_id for exposure in found}) == 1
    assert {key for key, _ in partitions} == {unit.encode() for unit in UNITS}
    assert len(partitions) == len(UNITS)


def test_they_share_the_connection_and_the_thread(opened: Opened) -> None:
    with Client("kafka.invalid:9092") as client:
        client.emit(TaskCancelled(agent_id="a", task_id="t", cancelled_at_ms=1))
        expose(client, UNITS)
        assert client.flush(10) == client.exposures().flush(10) == 0

        assert background_threads() == 1
        assert len(opened.all) == 1
        assert len(values(opened, "exposures")) == len(UNITS)
        assert len(values(opened, "task-events")) == 1
        assert client.exposures().close() == 0


def test_figures_of_client_stats_are_of_tasks_alone(opened: Opened) -> None:
    """A reader compares them with what it has read of task-events."""
    with Client("kafka.invalid:9092") as client:
        client.emit(TaskCancelled(agent_id="a", task_id="t", cancelled_at_ms=1))
        expose(client, UNITS)
        assert client.exposures().close(10) == 0
    told = [codec.decode_client_event(value) for value in values(opened, "client-stats")]

    topics = {topic for handle in opened.in_memory for topic, _ in handle.stored}
    assert topics == {"task-events", "exposures", "client-stats"}
    assert [(getattr(one, "sent", 0), getattr(one, "delivered", 0)) for one in told] == [(1, 1)]


def test_a_topic_that_is_missing_holds_up_no_task(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    def without_the_topic(connection: KafkaConnection) -> Handle:
        made = opened(connection)
        opened.in_memory[-1].missing.add("exposures")
        return made

    monkeypatch.setattr("gnomon.client.delivery.connections.open_kafka", without_the_topic)
    with Client("kafka.invalid:9092", exit_timeout_s=0.2) as client:
        expose(client, UNITS)
        for number in range(500):
            client.emit(TaskCancelled(agent_id="a", task_id=f"{number}", cancelled_at_ms=1))

        assert client.flush(10) == 0
        assert len(values(opened, "task-events")) == 500
        assert client.exposures().stats().delivered == 0
        assert client.exposures().close() == len(UNITS)


def test_a_spool_of_exposures_is_a_folder_of_its_own(
    opened: Opened, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    hanging = {"exposures"}

    def that_hangs(connection: KafkaConnection) -> Handle:
        made = opened(connection)
        opened.in_memory[-1].hanging = hanging
        return made

    monkeypatch.setattr("gnomon.client.delivery.connections.open_kafka", that_hangs)
    with Client("kafka.invalid:9092", spool_dir=str(tmp_path), exit_timeout_s=0.5) as client:
        expose(client, UNITS)
        assert client.exposures().close() == 0
    assert client.exposures().stats().spooled == len(UNITS)
    assert list(tmp_path.glob("*.spool")) == []
    assert len(list((tmp_path / "exposures").glob("*.spool"))) == 1

    hanging.clear()
    with Client("kafka.invalid:9092", spool_dir=str(tmp_path)) as later:
        expose(later, ["one-more"])
        eventually_sync(
            lambda: len(set(values(opened, "exposures"))) == len(UNITS) + 1,
            timeout_s=60,
            what="what was spooled",
        )
        later.exposures().close()
    assert values(opened, "task-events") == []
    assert list((tmp_path / "exposures").glob("*.spool")) == []


def test_a_client_that_does_nothing_exposes_nothing() -> None:
    client = Client("")

    assert set(expose(client, UNITS).values()) == {"control", "short"}
    assert client.exposures().stats().accepted == 0
    assert client.exposures().flush() == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_forked_child_publishes_what_it_exposes_itself() -> None:
    with MockKafka() as kafka, Client(kafka.brokers) as client:
        router = Router("prompts", HALVES, client=client)
        router.exposed("before")
        assert router.flush(20) == 0
        child = os.fork()
        if child == 0:
            router.exposed("before")
            router.exposed("after")
            os._exit(router.flush(20))
        _, status = os.waitpid(child, 0)
        found = [
            codec.decode_exposure(message.value() or b"")
            for message in stored(kafka.brokers, "exposures")
        ]
        client.exposures().close()

    assert status == 0
    assert sorted(exposure.unit for exposure in found) == ["after", "before"]
    assert len({exposure.producer_id for exposure in found}) == 2


def test_what_is_no_exposure_is_counted_and_those_behind_it_go_on() -> None:
    client = MemoryClient()
    sink = client.exposures()
    stamp = Stamp("prompts", 1.0, "0" * 64)
    sink.offer("good", "control", 1, stamp)
    sink.offer("bad", "control", 1, Stamp("prompts", 1.0, "too short"))
    sink.offer("also good", "control", 2_000_000, stamp)

    assert sink.events() == [
        Exposure(
            experiment="prompts", unit=unit, variant="control", exposed_at_ms=at_ms,
            settings_sha256="0" * 64,
        )
        for unit, at_ms in (("good", 0), ("also good", 2))
    ]  # fmt: skip
    assert (sink.stats().delivered, sink.stats().failed) == (2, 1)
