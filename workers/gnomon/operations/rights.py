"""Grants rights on a Kafka cluster."""

from collections.abc import Sequence
from typing import Any, Final

from confluent_kafka import KafkaException
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # documented as public
    AclBinding,
    AclOperation,
    AclPermissionType,
    ResourcePatternType,
    ResourceType,
)

from gnomon.connection import KafkaConnection
from gnomon.connection.librdkafka_settings import admin
from gnomon.contract.access import Right
from gnomon.errors import NotLetInError

_TIMEOUT_S: Final = 20.0
_KINDS: Final = {
    "topic": ResourceType.TOPIC,
    "group": ResourceType.GROUP,
    "transactional-id": ResourceType.TRANSACTIONAL_ID,
}


def grant(kafka: KafkaConnection, rights: Sequence[Right], *, principal: str) -> None:
    """Add ``rights`` to what ``principal`` may do, from every host. Blocks.

    Raises:
        NotLetInError: The cluster refuses; this user may not grant rights.
    """
    wanted = [binding for right in rights for binding in _bindings(right, principal)]
    client = admin(kafka)  # its requests end with it
    granted = client.create_acls(wanted, request_timeout=_TIMEOUT_S)
    for future in granted.values():
        try:
            future.result(_TIMEOUT_S)
        except KafkaException as error:
            raise NotLetInError(f"{kafka} grants nothing to {principal}: {error}") from error


def _bindings(right: Right, principal: str) -> list[Any]:
    pattern = ResourcePatternType.PREFIXED if right.prefixed else ResourcePatternType.LITERAL
    return [
        AclBinding(
            _KINDS[right.resource],
            right.name,
            pattern,
            principal,
            "*",
            AclOperation[_constant(operation)],
            AclPermissionType.ALLOW,
        )
        for operation in right.operations
    ]


def _constant(operation: str) -> str:
    """Return the library's name of an operation: ``DescribeConfigs`` is ``DESCRIBE_CONFIGS``."""
    return "".join(f"_{c}" if c.isupper() and i else c for i, c in enumerate(operation)).upper()
