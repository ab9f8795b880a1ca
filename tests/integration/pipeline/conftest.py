"""One pipeline of four real workers for every test here."""

import secrets
from collections.abc import Iterator

import pytest
from tests.conftest import Kafka
from tests.support.pipeline import Pipeline


@pytest.fixture(scope="session")
def pipeline(kafka: Kafka, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    """Tests share it, so each uses agents and tasks of its own."""
    with Pipeline(
        kafka=kafka.connection,
        prefix=f"p{secrets.token_hex(4)}-",
        folder=tmp_path_factory.mktemp("pipeline"),
    ) as running:
        yield running
