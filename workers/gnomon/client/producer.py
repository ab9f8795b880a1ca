"""The Kafka producer behind the client. Imports confluent-kafka: only the drain thread may."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final

import confluent_kafka
import msgspec
from confluent_kafka import KafkaError, KafkaException

from gnomon.client.buffer import Record
from gnomon.client.delivery import Outcomes, UnavailableError

SETTINGS: Final[Mapping[str, Any]] = {
    "client.id": "gnomon",
    # Keys go where Java's clients and Faust put them; the default here is another hash.
    "partitioner": "murmur2_random",
    "enable.idempotence": True,
    # Never: what has been handed over is tried again in its order, without being stored twice.
    "message.timeout.ms": 0,
    # The drain hands over what has come in 20 ms at once; this is for it to become one batch.
    "linger.ms": 5,
    "queue.buffering.max.messages": 5_000,
    "queue.buffering.max.kbytes": 8_192,
    "socket.timeout.ms": 10_000,
    "socket.connection.setup.timeout.ms": 10_000,
    "reconnect.backoff.max.ms": 5_000,
    "metadata.recovery.rebootstrap.trigger.ms": 60_000,
    # After this a topic counts as missing, and a handle does not look again for minutes.
    "topic.metadata.propagation.max.ms": 10_000,
    "log.connection.close": False,
    "log_level": 3,
}
REFUSALS: Final = frozenset(
    {
        KafkaError.MSG_SIZE_TOO_LARGE,
        KafkaError.INVALID_MSG,
        KafkaError.INVALID_MSG_SIZE,
        KafkaError.INVALID_RECORD,
        KafkaError.RECORD_LIST_TOO_LARGE,
    }
)
"""The broker will never take these bytes. Anything else may pass."""
MISSING: Final = frozenset(
    {
        KafkaError._UNKNOWN_TOPIC,  # noqa: SLF001  the library's public names begin so
        KafkaError._UNKNOWN_PARTITION,  # noqa: SLF001
        KafkaError._FATAL,  # noqa: SLF001
        KafkaError.UNKNOWN_TOPIC_OR_PART,
    }
)
"""A new handle asks again; this one would not."""


PURGED: Final = frozenset(
    {KafkaError._PURGE_QUEUE, KafkaError._PURGE_INFLIGHT}  # noqa: SLF001
)
"""Taken back because the drain asked for it."""


class _Ear:
    """Hears what the library has to say.

    Knows no handle: a cycle would be collected, and the handle destroyed, by whatever thread the
    collector runs in.
    """

    def __init__(self) -> None:
        self.outcomes = Outcomes([], [], [])
        self.word: str | None = None
        self.broken = False

    def reported(self, ticket: int, error: KafkaError | None, _message: object) -> None:
        """Called by ``poll`` for each event."""
        if error is None:
            self.outcomes.delivered.append(ticket)
            return
        code = error.code()
        self.word = self.word if code in PURGED else error.name()
        self.broken = self.broken or code in MISSING
        (self.outcomes.refused if code in REFUSALS else self.outcomes.again).append(ticket)

    def error(self, error: KafkaError) -> None:
        """Called by ``poll`` for errors of the connection."""
        self.word = error.name()
        self.broken = self.broken or error.fatal()

    def log(self, level: int, pattern: str, *arguments: object) -> None:
        """Called by ``poll`` in place of a logger's method. The client has a line of its own."""


class _Held(msgspec.Struct, gc=False):
    """Refers to itself, unseen by the collector: what it holds is never destroyed unless told to.

    A forked child has the parent's handle but not its threads; destroying it would wait for them.
    """

    handle: Any
    itself: Any = None


class KafkaProducer:
    """An idempotent librdkafka producer for one topic. ``gnomon.client.delivery.Producer``.

    Args:
        brokers: ``host:port`` of each.
        topic: Where ``send`` writes.
        settings: Put over ``SETTINGS``.

    Raises:
        UnavailableError: The library cannot use the settings.
    """

    def __init__(
        self, brokers: Sequence[str], topic: str, *, settings: Mapping[str, Any] | None = None
    ) -> None:
        self._topic = topic
        self._ear = _Ear()
        given = {**SETTINGS, **(settings or {}), "bootstrap.servers": ",".join(brokers)}
        try:
            handle = confluent_kafka.Producer(
                {**given, "error_cb": self._ear.error, "logger": self._ear}
            )
        except (KafkaException, ValueError, TypeError) as error:
            raise UnavailableError(type(error).__name__) from error
        self._held = _Held(handle)
        self._held.itself = self._held

    @property
    def broken(self) -> bool:
        """Whether another must take its place."""
        return self._ear.broken

    def send(self, ticket: int, record: Record) -> bool:
        """Hand over one event, to be reported by ``ticket``; ``False``: there is no room."""
        try:
            self._held.handle.produce(
                self._topic,
                value=record.value,
                key=record.key,
                on_delivery=partial(self._ear.reported, ticket),
            )
        except BufferError:
            return False
        except KafkaException as error:
            self._ear.reported(ticket, error.args[0], None)
        return True

    def tell(self, topic: str, record: Record) -> None:
        """Hand over a record that nobody asks after."""
        try:
            self._held.handle.produce(topic, value=record.value, key=record.key)
        except (BufferError, KafkaException):
            return

    def poll(self, timeout_s: float) -> Outcomes:
        """What has become known since the last time, waiting at most ``timeout_s`` for more."""
        self._held.handle.poll(timeout_s)
        outcomes, self._ear.outcomes = self._ear.outcomes, Outcomes([], [], [])
        return outcomes

    def purge(self) -> None:
        """Have ``poll`` report all that is not delivered, to be tried ``again``."""
        self._take_back(in_flight=True)

    def recall(self) -> None:
        """Have ``poll`` report what has not been sent yet, to be tried ``again``."""
        self._take_back(in_flight=False)

    def _take_back(self, *, in_flight: bool) -> None:
        """Ask for it without waiting for the library's threads.

        One of them may be stuck in the resolver, and the call keeps the interpreter: waiting for
        it would freeze the agent. ``blocking`` means its opposite: ``Producer_purge`` of
        confluent-kafka 1.5 to 2.16 sets librdkafka's NON_BLOCKING where it is true.
        """
        self._held.handle.purge(in_queue=True, in_flight=in_flight, blocking=True)

    def word(self) -> str | None:
        """What went wrong since the last time, by its name."""
        word, self._ear.word = self._ear.word, None
        return word

    def __len__(self) -> int:
        """Records handed over and not reported, ``tell``'s among them."""
        return len(self._held.handle)

    def close(self) -> None:
        """Destroy the handle. Waits for the library's threads: nobody may wait for this."""
        self.purge()
        self._held.handle = self._held.itself = None
