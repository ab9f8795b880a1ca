"""A bench for each test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.conftest import Kafka
from tests.integration.runtime.bench import Bench


@pytest.fixture
async def bench(kafka: Kafka, topics: str, tmp_path: Path) -> AsyncIterator[Bench]:
    """Its workers end with the test."""
    found = Bench(kafka.brokers, topics, tmp_path)
    yield found
    await found.stop_all()
