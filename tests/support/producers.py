"""Kafka for a client's drain, in memory: it stores, or does what a test has it do."""

from collections.abc import Callable

from gnomon import codec
from gnomon.client.buffer import Record
from gnomon.client.delivery import Outcomes, Producer
from gnomon.events import TaskEvent


class MemoryProducer:
    """What was sent, in order. Everything is delivered by the next ``poll``.

    Attributes:
        records: What is stored.
        told: What ``tell`` was given.
        polls: How often somebody listened.
    """

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.told: list[tuple[str, Record]] = []
        self.polls = self.closed = 0
        self.broken = False
        self._waiting: list[tuple[int, Record]] = []

    def send(self, ticket: int, record: Record) -> bool:
        self._waiting.append((ticket, record))
        return True

    def tell(self, topic: str, record: Record) -> None:
        self.told.append((topic, record))

    def poll(self, timeout_s: float) -> Outcomes:
        self.polls += 1
        sent, self._waiting = self._waiting, []
        self.records += [record for _, record in sent]
        return Outcomes([ticket for ticket, _ in sent], [], [])

    def purge(self) -> None:
        """Nothing waits longer than until the next ``poll``."""

    def word(self) -> str | None:
        return None

    def __len__(self) -> int:
        return len(self._waiting)

    def close(self) -> None:
        self.closed += 1

    @property
    def events(self) -> list[TaskEvent]:
        return [codec.decode_task_event(record.value) for record in self.records]


def in_place_of_kafka(producer: Producer) -> Callable[[tuple[str, ...], str], object]:
    """To be put over ``gnomon.client.outlet.kafka``: every client has ``producer``."""

    def kafka(_brokers: tuple[str, ...], _topic: str) -> object:
        return lambda: producer

    return kafka
