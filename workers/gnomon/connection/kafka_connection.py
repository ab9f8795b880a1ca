"""The address of a Kafka cluster, and what it asks of those who connect."""

import re
from dataclasses import dataclass, replace
from typing import Final, Self

from gnomon.connection.kafka_security import NO_SECURITY, KafkaSecurity
from gnomon.errors import ConfigurationError

_ADDRESS: Final = re.compile(r"(?:[^\s:/\[\]\x00-\x1f]+|\[[0-9A-Fa-f:.%\w]+\]):([0-9]{1,5})")
_LARGEST_PORT: Final = 65_535


@dataclass(frozen=True, slots=True)
class KafkaConnection:
    """Everything that a Kafka client needs to reach a cluster. Holds no open connection.

    Attributes:
        brokers: ``host:port`` of some brokers, comma-separated.
        security: What the brokers ask for.
    """

    brokers: str
    security: KafkaSecurity = NO_SECURITY

    def __str__(self) -> str:
        """Return the brokers, for messages."""
        return self.brokers

    def at(self, brokers: str | None) -> Self:
        """Return a connection to other brokers, by the same security; this one if none are given.

        Raises:
            ConfigurationError: An address of them is none.
        """
        return replace(self, brokers=brokers).checked() if brokers else self

    def checked(self) -> Self:
        """Return this if it has addresses only: clients look for others for ever, or crash.

        Raises:
            ConfigurationError: An address is none, or there is none.
        """
        wrong = next((each for each in self.addresses if not _is_address(each)), None)
        if wrong is not None or not self.addresses:
            found = "none" if wrong is None else repr(wrong)
            raise ConfigurationError(f"brokers must be host:port,…, got {found}")
        return self

    @property
    def addresses(self) -> list[str]:
        """``host:port`` of each broker."""
        return [entry for part in self.brokers.split(",") if (entry := part.strip())]


def _is_address(text: str) -> bool:
    found = _ADDRESS.fullmatch(text)
    return found is not None and 0 < int(found[1]) <= _LARGEST_PORT
