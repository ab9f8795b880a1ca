"""Certificates and passwords change while workers run and an agent is at work."""

import asyncio
import secrets
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # documented as public
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)
from tests.integration.security.conftest import admin_of
from tests.support.pipeline import Pipeline
from tests.support.polling import eventually_sync
from tests.support.servers.tls import now

from gnomon import Client
from gnomon.broker import EmbeddedBroker
from gnomon.connection import KafkaConnection, aiokafka_clients

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(240)]


def change_password(broker: EmbeddedBroker, user: str) -> None:
    """Change it on the brokers, and then in the user's file."""
    password = secrets.token_urlsafe(16)
    info = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096)
    changed = UserScramCredentialUpsertion(user, info, password.encode())
    admin = admin_of(broker.connection)  # its requests end with it
    for done in admin.alter_user_scram_credentials([changed]).values():
        done.result(30)
    broker.files.password(user).write_text(password)


def test_changed_certificates_and_passwords_are_taken_up_at_the_next_connection(
    secured: EmbeddedBroker, pipeline: Pipeline, tmp_path: Path
) -> None:
    """By an agent with a spool, by a client of the workers' library that goes on, and by the pipeline as a whole."""
    agent = secured.as_user("agent")
    topic = f"{pipeline.prefix}exposures"
    with (
        asyncio.Runner() as runner,
        Client(
            agent.brokers,
            security=agent.security,
            topic_prefix=pipeline.prefix,
            agent_id="long",
            spool_dir=str(tmp_path),
        ) as client,
    ):
        producer = runner.run(started(agent))
        runner.run(producer.send_and_wait(topic, b"before"))
        with client.task("review", task_id="before the change"):
            pass
        assert client.flush(30.0) == 0

        for user in ("agent", "worker"):
            change_password(secured, user)
        secured.stop()  # which ends every connection
        with client.task("review", task_id="while it is away"):
            pass
        eventually_sync(lambda: client.stats().spooled >= 2, timeout_s=30, what="spooled events")
        secured.files.make_certificates(now=now(), valid=timedelta(days=60))
        secured.start()

        runner.run(producer.send_and_wait(topic, b"after"))
        runner.run(producer.stop())
        with client.task("review", task_id="after the change"):
            pass
        eventually_sync(
            lambda: client.flush(1.0) == client.stats().spooled == 0, timeout_s=60, what="delivery"
        )
    assert {b"before", b"after"} <= {record.value for record in pipeline.read("exposures")}
    eventually_sync(
        lambda: (
            {f"{when} the change" for when in ("before", "after")} | {"while it is away"}
            <= set(pipeline.decided())
        ),
        timeout_s=90,
        what="the three decisions",
    )


async def started(kafka: KafkaConnection) -> Any:
    producer = aiokafka_clients.producer(kafka)
    await producer.start()
    return producer
