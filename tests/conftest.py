"""Fixtures of every test: a Kafka broker for the session, and topics of its own for a test."""

import os
import secrets
import signal
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from tests.support.bare import hide

from gnomon.broker import EmbeddedBroker
from gnomon.broker.failures import JarsUnavailableError, JavaMissingError
from gnomon.connection import KafkaConnection
from gnomon.errors import MissingExtraError
from gnomon.operations.topics_admin import create_topics

# A machine that is busy makes every example slow: that is no finding about the code.
settings.register_profile("gnomon", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("gnomon")


# A process in the background of a script ignores SIGINT, and so do the processes that it starts: those of
# the tests are to end by it.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare what the tests take beside pytest's own options."""
    parser.addoption("--bare", action="store_true", help="hide all that a new machine may lack")


def pytest_configure(config: pytest.Config) -> None:
    """Hide it before a test is imported."""
    if config.getoption("bare"):
        shown = tempfile.TemporaryDirectory(prefix="gnomon-bare-")
        config.add_cleanup(shown.cleanup)
        hide(Path(shown.name))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Give the longest files out first, where ``-n`` is given with ``--dist loadfile``."""
    if config.getvalue("dist") != "loadfile":
        return None
    from tests.support.work_order import LongestFirst  # noqa: PLC0415  where xdist is installed

    return LongestFirst(config, log)


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


@pytest.fixture(scope="session")
def empty_registry(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a registry without models, to be copied: MLflow takes seconds to make one."""
    from gnomon.models.registry import Registry  # noqa: PLC0415  MLflow takes as long to import

    made = tmp_path_factory.mktemp("registry") / "mlflow.db"
    made.touch()  # else reading would leave it unmade
    assert Registry(uri=f"sqlite:///{made}", model_name="gnomon").aliases() == {}
    # Closed files only: what a connection still holds would not be in a copy.
    with closing(sqlite3.connect(made)) as source:
        copy = made.with_name("copied.db")
        with closing(sqlite3.connect(copy)) as target:
            source.backup(target)
    return copy


@pytest.fixture
def prefix() -> str:
    """A topic prefix no other test has."""
    return f"t{secrets.token_hex(4)}-"


@pytest.fixture
async def topics(kafka: Kafka, prefix: str) -> str:
    """Create all of gnomon's topics, with 4 partitions; return their prefix."""
    await create_topics(kafka.connection, prefix=prefix, partitions=4, replication=1)
    return prefix
