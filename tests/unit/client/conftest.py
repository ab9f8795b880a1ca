"""A client whose thread writes to memory instead of Kafka."""

from collections.abc import Callable, Iterator, Sequence

import pytest

from gnomon import codec
from gnomon.client import Client, lifecycle
from gnomon.client.buffer import Record
from gnomon.client.delivery import Delivery, Producer
from gnomon.events import TaskEvent


class Memory:
    """What was delivered, in order."""

    def __init__(self) -> None:
        self.records: list[Record] = []

    async def deliver(self, records: Sequence[Record]) -> list[Delivery]:
        self.records.extend(records)
        return [Delivery(records, None)]

    async def stop(self, timeout_s: float) -> None:
        """Nothing to disconnect from."""

    @property
    def events(self) -> list[TaskEvent]:
        return [codec.decode_task_event(record.value) for record in self.records]


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch) -> Memory:
    """Takes the place of Kafka for clients made in this test."""
    producer = Memory()

    async def connect() -> Producer:
        return producer

    monkeypatch.setattr("gnomon.client.outlet.kafka", lambda _brokers, _topic: connect)
    return producer


@pytest.fixture
def client(memory: Memory) -> Iterator[Client]:
    with Client("kafka.invalid:9092", agent_id="router") as made:
        yield made


@pytest.fixture
def sent(client: Client, memory: Memory) -> Callable[[], list[TaskEvent]]:
    """Everything the client has sent so far, decoded."""

    def read() -> list[TaskEvent]:
        assert client.flush(timeout_s=5) == 0
        return memory.events

    return read


@pytest.fixture(autouse=True)
def _nothing_left_running() -> Iterator[None]:
    """Every client of a test is closed by the test: no thread outlives it."""
    yield
    left = list(lifecycle._working)
    for one in left:
        one.begin_close()
        one.end_close(1.0)
    assert not left
