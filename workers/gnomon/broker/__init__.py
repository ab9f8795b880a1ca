"""Runs Apache Kafka on this machine; pip installs everything it needs."""

from gnomon.broker.embedded import EmbeddedBroker

__all__ = ["EmbeddedBroker"]
