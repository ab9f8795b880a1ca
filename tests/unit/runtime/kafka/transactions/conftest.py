"""Fixtures: the client of a cluster with each transaction protocol."""

import pytest
from tests.support.kafka.kafka_client_in_memory import (
    FIRST,
    SECOND,
    Kafka,
    install,
)


@pytest.fixture(params=[FIRST, SECOND], ids=["first", "second"])
def broker(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Kafka:
    return install(Kafka(version=request.param), monkeypatch)
