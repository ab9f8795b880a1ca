"""Tests of aiokafka's clients: each connection is made with the password that the file has then."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiokafka.client
import pytest
from aiokafka.errors import KafkaConnectionError

from gnomon.connection import KafkaConnection, KafkaSecurity, aiokafka_clients


@pytest.mark.parametrize(
    "client_of",
    [
        aiokafka_clients.client,
        lambda kafka: aiokafka_clients.admin(kafka)._client,
        lambda kafka: aiokafka_clients.producer(kafka).client,
        lambda kafka: aiokafka_clients.consumer(kafka)._client,
    ],
    ids=["client", "admin", "producer", "consumer"],
)
@pytest.mark.filterwarnings("ignore:Unclosed AIOKafka:ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_the_password_is_read_for_each_connection(
    client_of: Callable[[KafkaConnection], Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    used = []

    async def no_connection(*_: object, **options: Any) -> None:
        used.append(options["sasl_plain_password"])
        raise OSError("none")

    monkeypatch.setattr(aiokafka.client, "create_conn", no_connection)
    file = tmp_path / "password"
    file.write_text("one\n")
    security = KafkaSecurity(
        security_protocol="SASL_PLAINTEXT",
        sasl_mechanism="SCRAM-SHA-512",
        sasl_username="ada",
        sasl_password_file=str(file),
    )
    client = client_of(KafkaConnection("127.0.0.1:9", security))

    for password in ("one", "two"):
        file.write_text(f"{password}\n")
        with pytest.raises(KafkaConnectionError):
            await client.bootstrap()

    assert used == ["one", "two"]
