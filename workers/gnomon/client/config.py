"""What a client is told by its caller or by ``GNOMON_*`` variables, checked once."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from gnomon.errors import ConfigurationError
from gnomon.topics import MAX_EVENT_BYTES

LARGEST_PORT = 65_535
YES = frozenset({"1", "true", "yes", "on"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientConfig:
    """Where events go and how much may wait. ``brokers`` empty: nowhere, do nothing.

    ``spool_dir`` empty: what cannot be delivered is kept in memory only. ``seal_to`` is a public
    key or a file with one: context and outcome are sealed for it, or dropped if it is of no use.

    Raises:
        ConfigurationError: A value cannot be used; the message names it.
    """

    brokers: tuple[str, ...] = ()
    topic: str = "task-events"
    stats_topic: str = "client-stats"
    agent_id: str = ""
    max_events: int = 10_000
    max_bytes: int = 8 << 20
    exit_timeout_s: float = 2.0
    spool_dir: str = ""
    spool_bytes: int = 64 << 20
    seal_to: str | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot work."""
        for broker in self.brokers:
            _check_address(broker)
        if not isinstance(self.topic, str) or not self.topic:
            raise ConfigurationError(f"topic must be a name, got {self.topic!r}")
        if not isinstance(self.agent_id, str):
            raise ConfigurationError(f"agent_id must be a string, got {self.agent_id!r}")
        if not isinstance(self.max_events, int) or self.max_events < 1:
            raise ConfigurationError(f"max_events must be positive, got {self.max_events!r}")
        if not isinstance(self.max_bytes, int) or self.max_bytes < MAX_EVENT_BYTES:
            raise ConfigurationError(
                f"max_bytes must hold one event of {MAX_EVENT_BYTES}, got {self.max_bytes!r}"
            )
        if not isinstance(self.exit_timeout_s, int | float) or not self.exit_timeout_s >= 0:
            raise ConfigurationError(
                f"exit_timeout_s must be 0 or more, got {self.exit_timeout_s!r}"
            )
        if not isinstance(self.spool_dir, str) or "\0" in self.spool_dir:
            raise ConfigurationError(f"spool_dir must be a path, got {self.spool_dir!r}")
        if not isinstance(self.spool_bytes, int) or self.spool_bytes < MAX_EVENT_BYTES:
            raise ConfigurationError(
                f"spool_bytes must hold one event of {MAX_EVENT_BYTES}, got {self.spool_bytes!r}"
            )
        if self.seal_to is not None and not isinstance(self.seal_to, str):
            # Not shown: it may be a key.
            raise ConfigurationError(f"seal_to must be a string, got a {type(self.seal_to)}")


def addresses(brokers: str) -> tuple[str, ...]:
    """The ``host:port`` entries of a comma-separated list."""
    if not isinstance(brokers, str):
        raise ConfigurationError(f"brokers must be a string of host:port, got {brokers!r}")
    return tuple(entry for part in brokers.split(",") if (entry := part.strip()))


class FromEnv(NamedTuple):
    """Arguments of ``Client`` as variables give them."""

    brokers: str = ""
    topic_prefix: str = ""
    agent_id: str | None = None
    spool_dir: str = ""
    spool_bytes: int = 64 << 20
    seal_to: str | None = None


def arguments_from_env(environ: Mapping[str, str]) -> FromEnv:
    """Read ``GNOMON_*``; no brokers where the client is to do nothing.

    Raises:
        ConfigurationError: ``GNOMON_SPOOL_BYTES`` is no whole number.
    """
    brokers = environ.get("GNOMON_BROKERS", "").strip()
    if not brokers or environ.get("GNOMON_DISABLED", "").strip().lower() in YES:
        return FromEnv()
    spool_bytes = environ.get("GNOMON_SPOOL_BYTES", "").strip()
    if spool_bytes and not (spool_bytes.isascii() and spool_bytes.isdigit()):
        raise ConfigurationError(f"GNOMON_SPOOL_BYTES must be a whole number, got {spool_bytes!r}")
    return FromEnv(
        brokers=brokers,
        topic_prefix=environ.get("GNOMON_TOPIC_PREFIX", ""),
        agent_id=environ.get("GNOMON_AGENT_ID") or None,
        spool_dir=environ.get("GNOMON_SPOOL_DIR", "").strip(),
        spool_bytes=int(spool_bytes) if spool_bytes else FromEnv().spool_bytes,
        # Empty is not unset: where a key was meant, nothing may go out in clear.
        seal_to=environ.get("GNOMON_SEAL_TO"),
    )


def _check_address(address: str) -> None:
    """An entry is ``host:port``; an IPv6 host is in brackets."""
    host, colon, port = address.rpartition(":")
    in_range = port.isascii() and port.isdigit() and 0 < int(port) <= LARGEST_PORT
    if not (colon and host and in_range):
        raise ConfigurationError(f"a broker is host:port, got {address!r}")
