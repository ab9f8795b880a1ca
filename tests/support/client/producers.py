"""A Kafka producer in memory for a client's drain: it stores, hangs or refuses as a test wants."""

from collections.abc import Callable

from gnomon import codec
from gnomon.client.delivery.ports import Outcomes, Producer, UnavailableError
from gnomon.client.records import Record
from gnomon.connection import KafkaConnection
from gnomon.events import TaskEvent


class MemoryProducer:
    """Keeps the sent records in order. The records sent between two ``poll`` are one batch.

    Attributes:
        records: The stored records.
        untracked_records: The arguments of each ``produce_untracked``.
        batches: How many events each ``poll`` found.
        hangs: While set, nothing is answered, and at most ``in_flight`` events count as sent.
        refuses: A batch with such an event is refused as a whole.
        loses: So many batches are reported as ``again``.
        breaks: Whether the next ``poll`` leaves it ``broken``, with nothing stored.
        room: How many events it holds.
        closed: How often ``close`` was called.
        recalls: How often ``recall`` was called.
        error: The result of ``last_error``.
        untracked: The number of untracked records that it reports as open.
    """

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.untracked_records: list[tuple[str, Record]] = []
        self.batches: list[int] = []
        self.hangs = self.breaks = self.broken = False
        self.refuses: Callable[[Record], bool] = lambda _record: False
        self.loses = self.closed = self.recalls = self.untracked = 0
        self.in_flight = 2
        self.error: str | None = None
        self.room = 100_000
        self._waiting: list[tuple[int, Record]] = []
        self._purged: list[int] = []

    def send(self, ticket: int, record: Record) -> bool:
        if len(self._waiting) >= self.room:
            return False
        self._waiting.append((ticket, record))
        return True

    def produce_untracked(self, topic: str, record: Record) -> None:
        self.untracked_records.append((topic, record))

    def poll(self, timeout_s: float) -> Outcomes:
        again, self._purged = self._purged, []
        if self.hangs:
            return Outcomes([], again, [])
        sent, self._waiting = self._waiting, []
        tickets = [ticket for ticket, _ in sent]
        if sent:
            self.batches.append(len(sent))
        if self.breaks:
            self.breaks, self.broken = False, True
            return Outcomes([], again + tickets, [])
        if sent and self.loses:
            self.loses -= 1
            return Outcomes([], again + tickets, [])
        if any(self.refuses(record) for _, record in sent):
            return Outcomes([], again, tickets)
        self.records += [record for _, record in sent]
        return Outcomes(tickets, again, [])

    def purge(self) -> None:
        self._purged += [ticket for ticket, _ in self._waiting]
        self._waiting.clear()

    def recall(self) -> None:
        self.recalls += 1
        self._purged += [ticket for ticket, _ in self._waiting[self.in_flight :]]
        del self._waiting[self.in_flight :]

    def last_error(self) -> str | None:
        return self.error

    def __len__(self) -> int:
        return len(self._waiting) + len(self._purged)

    def close(self) -> None:
        self.closed += 1

    @property
    def events(self) -> list[TaskEvent]:
        return [codec.decode_task_event(record.value) for record in self.records]


class Connections:
    """A ``connect`` that returns one producer after another, or raises the error in its place."""

    def __init__(self, *producers: Producer | UnavailableError) -> None:
        self.left = list(producers)
        self.made = 0

    def __call__(self) -> Producer:
        self.made += 1
        found = self.left.pop(0) if len(self.left) > 1 else self.left[0]
        if isinstance(found, UnavailableError):
            raise found
        return found


def in_place_of_kafka(producer: Producer) -> Callable[[KafkaConnection, str], object]:
    """Return a replacement of ``gnomon.client.capture.intake.kafka``: every client has ``producer``."""

    def kafka(_connection: KafkaConnection, _topic: str) -> object:
        return lambda: producer

    return kafka
