"""The configuration of a client, from its caller or from ``GNOMON_*`` variables, checked once.

Messages name the type of a wrong value, never the value: that may be a key put in the wrong place,
or an object whose ``repr`` raises.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from gnomon.client.config_file import with_file
from gnomon.client.values import class_name, is_a, seconds
from gnomon.connection import NO_SECURITY, KafkaConnection, KafkaSecurity
from gnomon.errors import ConfigurationError
from gnomon.topics import MAX_EVENT_BYTES

LARGEST_PORT: Final = 65_535
LARGEST: Final = 1 << 50
"""Largest number of events or bytes; a larger one is a mistake."""
LONGEST_EXIT_S: Final = 3_600.0
YES: Final = frozenset({"1", "true", "yes", "on"})
_MOST_DIGITS: Final = 18
_TENANT: Final = re.compile(r"[ !#-\[\]-~]{0,64}")
_TOPIC: Final = re.compile(r"[A-Za-z0-9._-]{1,249}")
"""Kafka's own rule for topic names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientConfig:
    """Where events go and how much may wait.

    Relative paths are made absolute, so that they hold when the process changes its folder.

    Attributes:
        brokers: ``host:port`` of each broker; empty for a client that does nothing.
        topic: Topic of task events.
        stats_topic: Topic of the client's stats; empty to publish none.
        exposures_topic: Topic of the exposures of experiments.
        agent_id: The agent of tasks that name none.
        tenant: Whose tasks they are; 1 to 64 printable ASCII characters without quotes, or empty.
        max_events: Most events that wait.
        max_bytes: Most bytes of waiting events.
        exit_timeout_s: How long the client may delay the end of the process.
        spool_dir: Folder for undelivered events; empty to keep them in memory only.
        spool_bytes: Most bytes of that folder.
        seal_to: Public key, or its file, that context and outcome are sealed for.
        security: What the brokers ask of those who connect.

    Raises:
        ConfigurationError: A value cannot be used; the message names it.
    """

    brokers: tuple[str, ...] = ()
    topic: str = "task-events"
    stats_topic: str = "client-stats"
    exposures_topic: str = "exposures"
    agent_id: str = ""
    tenant: str = ""
    max_events: int = 10_000
    max_bytes: int = 8 << 20
    exit_timeout_s: float = 2.0
    spool_dir: str = ""
    spool_bytes: int = 64 << 20
    seal_to: str | None = None
    security: KafkaSecurity = NO_SECURITY

    def __post_init__(self) -> None:
        """Check every field, and keep it as an exact string or number."""
        for place, broker in enumerate(self.brokers, start=1):
            _check_address(broker, place)
        for name in ("topic", "exposures_topic"):
            self._keep(name, _topic(getattr(self, name)))
        if self.stats_topic:
            self._keep("stats_topic", _topic(self.stats_topic))
        self._keep("agent_id", text(self.agent_id, "agent_id"))
        self._keep("tenant", _tenant(self.tenant))
        self._keep("max_events", _whole(self.max_events, "max_events", least=1))
        for name in ("max_bytes", "spool_bytes"):
            self._keep(name, _whole(getattr(self, name), name, least=MAX_EVENT_BYTES))
        self._keep("exit_timeout_s", _exit_timeout(self.exit_timeout_s))
        if not is_a(self.security, KafkaSecurity):
            raise ConfigurationError(
                f"security must be a KafkaSecurity, got {class_name(self.security)}"
            )
        spool_dir = text(self.spool_dir, "spool_dir")
        if "\0" in spool_dir:
            raise ConfigurationError("spool_dir must be a path, got one with a NUL")
        self._keep("spool_dir", _absolute(spool_dir, "spool_dir"))
        if self.seal_to is not None:
            seal_to = text(self.seal_to, "seal_to")
            self._keep(
                "seal_to", seal_to if is_public_key(seal_to) else _absolute(seal_to, "seal_to")
            )

    @property
    def connection(self) -> KafkaConnection:
        """The cluster, and how to reach it."""
        return KafkaConnection(",".join(self.brokers), self.security)

    def _keep(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)


def text(value: object, name: str) -> str:
    """Return ``value`` as an exact string.

    Raises:
        ConfigurationError: It is no string.
    """
    if not is_a(value, str):
        raise ConfigurationError(f"{name} must be a string, got {class_name(value)}")
    return str.__str__(value)


def addresses(brokers: str) -> tuple[str, ...]:
    """Return the ``host:port`` entries of a comma-separated list."""
    parts = text(brokers, "brokers").split(",")
    return tuple(entry for part in parts if (entry := part.strip()))


def is_public_key(seal_to: str) -> bool:
    """Return whether ``seal_to`` looks like a key: PEM, or base64 of a DER sequence of 42 bytes."""
    return "-----BEGIN" in seal_to or seal_to.strip().startswith("MCowBQ")


class FromEnv(NamedTuple):
    """Arguments of ``Client`` that environment variables give."""

    brokers: str = ""
    topic_prefix: str = ""
    agent_id: str | None = None
    tenant: str = ""
    spool_dir: str = ""
    spool_bytes: int = 64 << 20
    seal_to: str | None = None
    security: KafkaSecurity = NO_SECURITY


def arguments_from_env(environ: Mapping[str, str]) -> FromEnv:
    """Read ``GNOMON_*``, and the file that ``GNOMON_CONFIG`` names; the brokers are empty if it is disabled.

    Raises:
        ConfigurationError: A variable has a value that cannot be used, or the file cannot be read.
    """
    if _is_disabled(environ):
        return FromEnv()
    environ = with_file(environ)
    brokers = environ.get("GNOMON_BROKERS", "").strip()
    if not brokers or _is_disabled(environ):
        return FromEnv()
    spool_bytes = environ.get("GNOMON_SPOOL_BYTES", "").strip()
    if spool_bytes and not _is_decimal(spool_bytes, _MOST_DIGITS):
        raise ConfigurationError(
            f"GNOMON_SPOOL_BYTES must be a whole number of at most {_MOST_DIGITS} digits"
        )
    return FromEnv(
        brokers=brokers,
        topic_prefix=environ.get("GNOMON_TOPIC_PREFIX", ""),
        agent_id=environ.get("GNOMON_AGENT_ID") or None,
        tenant=environ.get("GNOMON_TENANT", "").strip(),
        spool_dir=environ.get("GNOMON_SPOOL_DIR", "").strip(),
        spool_bytes=int(spool_bytes) if spool_bytes else FromEnv().spool_bytes,
        # Empty is not unset: a key was meant to be there, so nothing may be sent in clear.
        seal_to=environ.get("GNOMON_SEAL_TO"),
        security=KafkaSecurity.from_env(environ),
    )


def _is_disabled(environ: Mapping[str, str]) -> bool:
    return environ.get("GNOMON_DISABLED", "").strip().lower() in YES


def _check_address(address: str, place: int) -> None:
    """Check that an entry is ``host:port``; an IPv6 host is in brackets."""
    host, colon, port = address.rpartition(":")
    in_range = _is_decimal(port, 5) and 0 < int(port) <= LARGEST_PORT
    if not (colon and host and in_range and host.isprintable()):
        raise ConfigurationError(f"brokers must be a list of host:port, entry {place} is not")


def _topic(value: object) -> str:
    topic = text(value, "topic")
    if _TOPIC.fullmatch(topic) is None:
        raise ConfigurationError("topic with its prefix must be 1 to 249 of A-Z a-z 0-9 . _ -")
    return topic


def _tenant(value: object) -> str:
    tenant = text(value, "tenant")
    if _TENANT.fullmatch(tenant) is None:
        raise ConfigurationError(
            "tenant must be at most 64 printable ASCII characters without quote or backslash"
        )
    return tenant


def _whole(value: object, name: str, *, least: int) -> int:
    if not is_a(value, int):
        raise ConfigurationError(f"{name} must be a whole number, got {class_name(value)}")
    number = int.__int__(value)
    if not least <= number <= LARGEST:
        raise ConfigurationError(f"{name} must be {least} to {LARGEST}, got one out of range")
    return number


def _exit_timeout(value: object) -> float:
    found = seconds(value)
    if found is None or found > LONGEST_EXIT_S:
        raise ConfigurationError(
            f"exit_timeout_s must be 0 to {LONGEST_EXIT_S:.0f} s, got {class_name(value)}"
        )
    return found


def _absolute(path: str, name: str) -> str:
    """Return ``path`` as an absolute path, from the current folder; empty stays empty."""
    # Not ``pathlib``: importing it would take longer than the rest of this module.
    if not path or os.path.isabs(path):  # noqa: PTH117
        return path
    try:
        return os.path.join(os.getcwd(), path)  # noqa: PTH109, PTH118
    except OSError as error:
        raise ConfigurationError(
            f"{name} is relative, but there is no current folder: {error.strerror}"
        ) from None


def _is_decimal(digits: str, most: int) -> bool:
    """Return whether ``digits`` is a number of at most ``most`` digits."""
    return len(digits) <= most and digits.isascii() and digits.isdigit()
