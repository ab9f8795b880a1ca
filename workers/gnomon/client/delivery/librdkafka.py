"""The Kafka handle behind clients. Imports confluent-kafka: only the background thread may."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final

import confluent_kafka
import msgspec
from confluent_kafka import KafkaError, KafkaException

from gnomon.client.delivery.buffer import Record
from gnomon.client.delivery.ports import Fault, Report, UnavailableError

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
    """Hears what the library has to say of the handle as a whole.

    Knows no handle: a cycle would be collected, and the handle destroyed, by whatever thread the
    collector runs in.
    """

    def __init__(self) -> None:
        self.faults: list[Fault] = []

    def error(self, error: KafkaError) -> None:
        """Called by ``poll`` for errors of the connection."""
        self.faults.append(Fault(error.name(), lasting=error.fatal()))

    def log(self, level: int, pattern: str, *arguments: object) -> None:
        """Called by ``poll`` in place of a logger's method. The client has a line of its own."""


def _pass_on(report: Report, error: KafkaError | None, _message: object) -> None:
    """Called by ``poll`` for each record."""
    report(None if error is None else _fault(error))


def _fault(error: KafkaError) -> Fault:
    code = error.code()
    word = None if code in PURGED else error.name()
    return Fault(word, refused=code in REFUSALS, lasting=code in MISSING)


class _Held(msgspec.Struct, gc=False):
    """Refers to itself, unseen by the collector: what it holds is never destroyed unless told to.

    A forked child has the parent's handle but not its threads; destroying it would wait for them.
    """

    handle: Any
    itself: Any = None


class KafkaHandle:
    """An idempotent librdkafka producer. ``gnomon.client.delivery.ports.Handle``.

    Args:
        brokers: ``host:port`` of each.
        settings: Put over ``SETTINGS``.

    Raises:
        UnavailableError: The library cannot use the settings.
    """

    def __init__(
        self, brokers: Sequence[str], *, settings: Mapping[str, Any] | None = None
    ) -> None:
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

    def send(self, topic: str, record: Record, report: Report) -> bool:
        """Hand over one record; ``False``: there is no room."""
        try:
            self._held.handle.produce(
                topic, value=record.value, key=record.key, on_delivery=partial(_pass_on, report)
            )
        except BufferError:
            return False
        except KafkaException as error:
            report(_fault(error.args[0]))
        return True

    def poll(self, timeout_s: float) -> Sequence[Fault]:
        """Have reported what has become known, waiting at most ``timeout_s`` for any."""
        self._held.handle.poll(timeout_s)
        faults, self._ear.faults = self._ear.faults, []
        return faults

    def purge(self, *, in_flight: bool) -> None:
        """Ask for all that is not stored, without waiting for the library's threads.

        One of them may be stuck in the resolver, and the call keeps the interpreter: waiting for
        it would freeze the agent. ``blocking`` means its opposite: ``Producer_purge`` of
        confluent-kafka 1.5 to 2.16 sets librdkafka's NON_BLOCKING where it is true.
        """
        self._held.handle.purge(in_queue=True, in_flight=in_flight, blocking=True)

    def close(self) -> None:
        """Destroy it. Waits for the library's threads: nobody may wait for this."""
        self.purge(in_flight=True)
        self._held.handle = self._held.itself = None
