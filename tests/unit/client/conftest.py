"""Fixtures: a client whose thread writes to memory instead of Kafka."""

from collections.abc import Callable, Iterator

import msgspec
import pytest
from tests.support.client.producers import MemoryProducer, in_place_of_kafka

from gnomon.client import Client, MemoryClient
from gnomon.client.process import hooks, log_limits
from gnomon.events import TaskEvent


@pytest.fixture(autouse=True)
def _no_line_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each test log the process's one line a minute."""
    monkeypatch.setattr(log_limits, "PROCESS_LIMITER", log_limits.Limiter())


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch) -> MemoryProducer:
    """Replace Kafka for the clients made in this test."""
    producer = MemoryProducer()
    monkeypatch.setattr("gnomon.client.capture.intake.kafka", in_place_of_kafka(producer))
    return producer


@pytest.fixture
def client(memory: MemoryProducer) -> Iterator[Client]:
    with Client("kafka.invalid:9092", agent_id="router") as made:
        yield made


@pytest.fixture
def sent(client: Client, memory: MemoryProducer) -> Callable[[], list[TaskEvent]]:
    """Return a function that decodes the events sent so far, without their identity."""

    def read() -> list[TaskEvent]:
        assert client.flush(timeout_s=5) == 0
        return [msgspec.structs.replace(e, producer_id=None, seq=None) for e in memory.events]

    return read


@pytest.fixture(params=["Client", "MemoryClient"])
def any_client(request: pytest.FixtureRequest, memory: MemoryProducer) -> Iterator[Client]:
    """Make a ``Client`` and, in a second run of the test, a ``MemoryClient``."""
    if request.param == "MemoryClient":
        yield MemoryClient(agent_id="router")
        return
    with Client("kafka.invalid:9092", agent_id="router") as made:
        yield made


@pytest.fixture
def published(any_client: Client, memory: MemoryProducer) -> Callable[[], list[TaskEvent]]:
    """Return a function that decodes the events of ``any_client``, without their identity."""

    def read() -> list[TaskEvent]:
        assert any_client.flush(timeout_s=5) == 0
        if isinstance(any_client, MemoryClient):
            return any_client.events()
        return [msgspec.structs.replace(e, producer_id=None, seq=None) for e in memory.events]

    return read


@pytest.fixture(autouse=True)
def _nothing_left_running() -> Iterator[None]:
    """Check that the test has closed its clients, so that no thread outlives it."""
    yield
    left = list(hooks._to_close)
    for one in left:
        one.begin_close()
        one.end_close(1.0)
    assert not left
