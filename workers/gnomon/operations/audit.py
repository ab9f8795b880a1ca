"""Records in the audit what a command opens or destroys: first in the store, then on the topic."""

import getpass
import logging
import os
import socket
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import msgspec

from gnomon import codec
from gnomon.errors import GnomonError
from gnomon.events import AuditAction, AuditEvent
from gnomon.settings import Settings
from gnomon.store import DecisionStore
from gnomon.topics import AUDIT

if TYPE_CHECKING:
    from confluent_kafka import Message

logger = logging.getLogger(__name__)

_AT_ONCE: Final = 500
_ANSWER_S: Final = 5.0
_AFTER_PURGE_S: Final = 0.2


@dataclass
class Use:
    """What one command has done so far; its fields are what the event will say."""

    event: AuditEvent
    records: int = 0
    unreadable: int = 0
    detail: str = ""


@contextmanager
def audited(
    settings: Settings,
    store: DecisionStore,
    action: AuditAction,
    *,
    command: str,
    reason: str = "",
    scope: str | None = None,
    key_id: str = "",
    goes_on: bool = False,
) -> Iterator[Use]:
    """Store an event before the body runs, and complete it when the body ends, however it ends.

    An event on the topic is best effort: one that cannot be published now is published by the next
    command that uses keys.

    Args:
        settings: Where the topic is.
        store: Where the table is.
        action: What is done.
        command: The command, for people.
        reason: Why, as the person gave it.
        scope: The scope it is about.
        key_id: The key-encryption key, or who holds it.
        goes_on: Whether to go on with the event of an earlier run on this scope that was killed; then
            the event is completed only if the body succeeds.

    Raises:
        StoreUnavailableError: The event cannot be stored: the body does not run.
    """
    event = store.audit.unfinished(action, scope) if goes_on and scope is not None else None
    if event is None:
        event = AuditEvent(
            event_id=uuid.uuid4().hex,
            at_ms=_now_ms(),
            action=action,
            actor=_actor(),
            command=command,
            reason=reason,
            scope=scope,
            key_id=key_id,
        )
        store.audit.begin(event)
    use = Use(event)
    is_done = False
    try:
        yield use
        is_done = True
    finally:
        if is_done or not goes_on:
            _end(store, use)
    publish(settings, store)


def publish(settings: Settings, store: DecisionStore) -> int:
    """Publish the events that are not on the topic yet; return how many are."""
    waiting = store.audit.unpublished(_AT_ONCE)
    if not waiting or not _reachable(settings):
        return 0
    sent = _sent(settings, waiting)
    if sent:
        store.audit.mark_published(sent)
    if len(sent) < len(waiting):
        logger.warning("audit.unpublished", extra={"events": len(waiting) - len(sent)})
    return len(sent)


def _end(store: DecisionStore, use: Use) -> None:
    store.audit.end(
        msgspec.structs.replace(
            use.event,
            records=use.records,
            unreadable=use.unreadable,
            detail=use.detail,
            ended_at_ms=max(_now_ms(), use.event.at_ms),
        )
    )


def _sent(settings: Settings, events: list[AuditEvent]) -> list[str]:
    """Return the ids of the events that the topic has confirmed."""
    from confluent_kafka import KafkaException  # noqa: PLC0415  only where there are some

    from gnomon.connection.librdkafka_settings import producer  # noqa: PLC0415

    confirmed: list[str] = []

    def delivered(error: object, message: "Message") -> None:
        if error is None:
            confirmed.append((message.key() or b"").decode())

    try:
        to_topic = producer(settings.kafka)
        topic = settings.topic_prefix + AUDIT.name
        for event in events:
            to_topic.produce(
                topic, codec.encode(event), event.event_id.encode(), on_delivery=delivered
            )
        if to_topic.flush(_ANSWER_S):
            to_topic.purge()
            to_topic.flush(_AFTER_PURGE_S)
    except (KafkaException, BufferError, GnomonError) as error:
        logger.warning("audit.not_published", extra={"error": str(error)})
    return confirmed


def _reachable(settings: Settings) -> bool:
    """Return whether a broker listens: a command without Kafka must not wait for one."""
    for address in settings.kafka.addresses:
        host, _, port = address.rpartition(":")
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=0.5).close()
        except (OSError, ValueError):
            continue
        return True
    return False


def _actor() -> str:
    try:
        name = getpass.getuser()
    except (KeyError, OSError):  # a container's user need not have a name
        name = f"uid {os.getuid()}"
    return f"{name}@{socket.gethostname()}"


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
