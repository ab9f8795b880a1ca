"""Apache Kafka on this machine, with nothing but pip; and the topics on any Kafka."""

from gnomon.broker.embedded import EmbeddedBroker

__all__ = ["EmbeddedBroker"]
