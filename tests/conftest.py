"""Fixtures of every test: a Kafka broker for the session, and topics of its own for a test."""

import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, settings

from gnomon.broker import EmbeddedBroker
from gnomon.broker.failures import JarsUnavailableError, JavaMissingError
from gnomon.connection import KafkaConnection
from gnomon.errors import MissingExtraError
from gnomon.operations.topics_admin import create_topics

# A machine that is busy makes every example slow: that is no finding about the code.
settings.register_profile("gnomon", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("gnomon")


@dataclass(frozen=True)
class Kafka:
    """Where the session's broker is; ``broker`` is ``None`` if the tests did not start it."""

    brokers: str
    broker: EmbeddedBroker | None

    @property
    def connection(self) -> KafkaConnection:
        """As the package takes it."""
        return KafkaConnection(self.brokers)


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kafka]:
    """That of ``GNOMON_TEST_BROKERS``, else an embedded one; skips where Java or jars are missing.

    ``gnomon broker --download-only`` fetches the jars beforehand.
    """
    if given := os.environ.get("GNOMON_TEST_BROKERS"):
        yield Kafka(brokers=given, broker=None)
        return
    broker = EmbeddedBroker(data_dir=tmp_path_factory.mktemp("kafka"))
    try:
        broker.start()
    except (JavaMissingError, JarsUnavailableError, MissingExtraError) as error:
        pytest.skip(str(error))
    try:
        yield Kafka(brokers=broker.brokers, broker=broker)
    finally:
        broker.stop()


@pytest.fixture
def prefix() -> str:
    """A topic prefix no other test has."""
    return f"t{secrets.token_hex(4)}-"


@pytest.fixture
async def topics(kafka: Kafka, prefix: str) -> str:
    """Create all of gnomon's topics, with 4 partitions; return their prefix."""
    await create_topics(kafka.connection, prefix=prefix, partitions=4, replication=1)
    return prefix
