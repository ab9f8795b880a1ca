"""The Kafka handle of the clients. Imports confluent-kafka: only the background thread may."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final

import confluent_kafka
import msgspec
from confluent_kafka import KafkaError, KafkaException

from gnomon.client.delivery.ports import DeliveryCallback, Fault, UnavailableError
from gnomon.client.records import Record
from gnomon.connection import KafkaConnection
from gnomon.connection.librdkafka_settings import settings_of
from gnomon.errors import ConfigurationError

SETTINGS: Final[Mapping[str, Any]] = {
    "client.id": "gnomon",
    # Java's clients and Faust partition keys so; librdkafka's default is another hash.
    "partitioner": "murmur2_random",
    "enable.idempotence": True,
    # No timeout: a record is retried in its order for ever, and is not stored twice.
    "message.timeout.ms": 0,
    # The drain hands over the events of 20 ms at once; with this linger they become one batch.
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
"""Errors after which the broker will never take these bytes. Any other error may pass."""
MISSING: Final = frozenset(
    {
        KafkaError._UNKNOWN_TOPIC,  # noqa: SLF001  the library's public names begin so
        KafkaError._UNKNOWN_PARTITION,  # noqa: SLF001
        KafkaError._FATAL,  # noqa: SLF001
        KafkaError.UNKNOWN_TOPIC_OR_PART,
    }
)
"""Errors after which only a new handle asks the broker again."""
_NO_RIGHT: Final = "this user may not write, see gnomon topics acls --role agent"
NOT_LET_IN: Final[Mapping[int, str]] = {
    KafkaError._AUTHENTICATION: "Kafka refuses the login, see GNOMON_KAFKA_SASL_*",  # noqa: SLF001
    KafkaError._SSL: "no TLS with Kafka, see GNOMON_KAFKA_SSL_*",  # noqa: SLF001
    KafkaError.CLUSTER_AUTHORIZATION_FAILED: _NO_RIGHT,
    KafkaError.TOPIC_AUTHORIZATION_FAILED: _NO_RIGHT,
}
"""Errors of a connection after which a new handle reads certificates and passwords again."""
_NO_TOKEN: Final = ("Failed to acquire SASL OAUTHBEARER token", "OAuth token not set within")
"""How librdkafka and confluent-kafka begin to say that there is no token."""
_GET_A_TOKEN: Final = "there is no token to log in with, see GNOMON_KAFKA_OAUTH_*"  # noqa: S105  a text
PURGED: Final = frozenset(
    {KafkaError._PURGE_QUEUE, KafkaError._PURGE_INFLIGHT}  # noqa: SLF001
)
"""Codes of records that were purged because the drain asked for it."""


class _LibrdkafkaCallbacks:
    """Collects the errors that librdkafka reports of a handle as a whole.

    It has no reference to the handle. A reference cycle would be freed, and the handle destroyed,
    by whatever thread the garbage collector runs in.
    """

    def __init__(self) -> None:
        self.faults: list[Fault] = []

    def error(self, error: KafkaError) -> None:
        """Note an error of the connection; called by ``poll``."""
        lasting = error.fatal() or error.code() in NOT_LET_IN
        self.faults.append(Fault(_text(error), lasting=lasting))

    def log(self, level: int, pattern: str, *arguments: object) -> None:
        """Drop a log line of the library; ``poll`` calls this in place of a logger's method."""


def _report(on_delivery: DeliveryCallback, error: KafkaError | None, _message: object) -> None:
    """Report the fate of one record; called by ``poll``."""
    on_delivery(None if error is None else _fault(error))


def _text(error: KafkaError) -> str:
    """Return the name of an error, or what to do about one that needs a person."""
    refused = NOT_LET_IN.get(error.code())
    if error.str().startswith(_NO_TOKEN):
        refused = _GET_A_TOKEN
    return error.name() if refused is None else f"{refused}: {error.str()}"


def _fault(error: KafkaError) -> Fault:
    code = error.code()
    name = None if code in PURGED else _text(error)
    return Fault(name, refused=code in REFUSALS, lasting=code in MISSING)


class _ImmortalHandle(msgspec.Struct, gc=False):
    """Keeps a handle alive by a reference to itself, which the garbage collector does not see.

    A forked child has the parent's handle but not its threads; destroying the handle would wait for
    those threads.
    """

    handle: Any
    itself: Any = None


class KafkaHandle:
    """An idempotent librdkafka producer. ``gnomon.client.delivery.ports.Handle``.

    Args:
        kafka: Where to, and what the brokers ask for.
        settings: Override ``SETTINGS``.

    Raises:
        UnavailableError: The library refuses the settings, or a file of theirs cannot be read.
    """

    def __init__(
        self, kafka: KafkaConnection, *, settings: Mapping[str, Any] | None = None
    ) -> None:
        self._callbacks = _LibrdkafkaCallbacks()
        try:
            merged = {**SETTINGS, **(settings or {}), **settings_of(kafka)}
        except ConfigurationError as error:
            raise UnavailableError(str(error)) from error
        try:
            handle = confluent_kafka.Producer(
                {**merged, "error_cb": self._callbacks.error, "logger": self._callbacks}
            )
        except KafkaException as error:  # such as for a file that is no certificate
            text = error.args[0].str()
            why = _GET_A_TOKEN if text.startswith(_NO_TOKEN) else "Kafka cannot be used"
            raise UnavailableError(f"{why}: {text}") from error
        except (ValueError, TypeError) as error:
            raise UnavailableError(type(error).__name__) from error
        self._immortal = _ImmortalHandle(handle)
        self._immortal.itself = self._immortal

    def send(self, topic: str, record: Record, on_delivery: DeliveryCallback) -> bool:
        """Hand over one record; return ``False`` if the queue is full."""
        try:
            self._immortal.handle.produce(
                topic,
                value=record.value,
                key=record.key,
                on_delivery=partial(_report, on_delivery),
            )
        except BufferError:
            return False
        except KafkaException as error:
            on_delivery(_fault(error.args[0]))
        return True

    def poll(self, timeout_s: float) -> Sequence[Fault]:
        """Run the callbacks that are due, waiting at most ``timeout_s``; return the handle's faults."""
        try:
            self._immortal.handle.poll(timeout_s)
        except (
            KafkaException
        ) as error:  # a fatal error, such as that this user may not write at all
            self._callbacks.error(error.args[0])
        faults, self._callbacks.faults = self._callbacks.faults, []
        return faults

    def purge(self, *, in_flight: bool) -> None:
        """Drop all records that are not stored, without waiting for the library's threads.

        One of those threads may be stuck in the resolver, and the call holds the interpreter:
        waiting for it would freeze the agent. ``blocking=True`` means its opposite:
        ``Producer_purge`` of confluent-kafka 1.5 to 2.16 sets librdkafka's NON_BLOCKING for it.
        """
        self._immortal.handle.purge(in_queue=True, in_flight=in_flight, blocking=True)

    def close(self) -> None:
        """Destroy the handle. Blocks until the library's threads have ended."""
        self.purge(in_flight=True)
        self._immortal.handle = self._immortal.itself = None
