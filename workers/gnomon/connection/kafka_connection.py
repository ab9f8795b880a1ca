"""The address of a Kafka cluster, and what it asks of those who connect."""

from dataclasses import dataclass, replace
from typing import Self

from gnomon.connection.kafka_security import NO_SECURITY, KafkaSecurity


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
        """Return a connection to other brokers, by the same security; this one if none are given."""
        return replace(self, brokers=brokers) if brokers else self

    @property
    def addresses(self) -> list[str]:
        """``host:port`` of each broker."""
        return [entry for part in self.brokers.split(",") if (entry := part.strip())]
