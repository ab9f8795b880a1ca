"""Every command that reaches Kafka, with the rights of its role; and what is said to who is refused."""

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import pytest
from tests.support.commands import gnomon, processes_of
from tests.support.pipeline import STAGES, Pipeline
from tests.support.polling import eventually_sync
from tests.support.servers.gateway import gateway, some_events
from tests.support.servers.tls import DAY, Certificates, tls_server

from gnomon.broker import EmbeddedBroker
from gnomon.connection import KafkaConnection, KafkaSecurity

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(180)]


def variables(kafka: KafkaConnection, pipeline: Pipeline) -> dict[str, str]:
    return {
        "GNOMON_BROKERS": kafka.brokers,
        "GNOMON_TOPIC_PREFIX": pipeline.prefix,
        "GNOMON_DATA_DIR": str(pipeline.folder),
        **kafka.security.as_environ(),
    }


@pytest.mark.parametrize(
    ("role", "command", "said"),
    [
        ("operator", "topics create", "all topics exist"),
        ("operator", "topics check", "the topics agree"),
        ("reader", "topics check", "the topics agree"),
        ("reader", "topics list", "task-events"),
        ("reader", "status --json", '"stages"'),
        ("reader", "doctor", " as reader"),
        ("reader", "tail task-events --no-follow", ""),
        ("reader", "dead-letters list", ""),
        ("reader", "verdict --live", ""),
        ("operator", "status", "features"),
        ("operator", "models list", ""),
        ("operator", "models sync", ""),
    ],
)
def test_a_command_works_with_the_rights_of_its_role(
    secured: EmbeddedBroker, pipeline: Pipeline, role: str, command: str, said: str
) -> None:
    done = gnomon(*command.split(), **variables(secured.as_user(role), pipeline))

    assert "Traceback" not in done.stderr
    assert "may not" not in done.stderr
    assert said in done.stdout, done.stderr


def test_a_dead_letter_is_sent_back_by_an_operator(
    secured: EmbeddedBroker, pipeline: Pipeline
) -> None:
    pipeline.publish([(b"ada", b"no event")])
    eventually_sync(lambda: pipeline.read("dead-letters"), timeout_s=40, what="a dead letter")
    before = len(pipeline.read("task-events"))

    done = gnomon("dead-letters", "redrive", **variables(secured.as_user("operator"), pipeline))

    assert done.returncode == 0, done.stderr
    assert len(pipeline.read("task-events")) > before


def test_the_gateway_publishes_as_an_agent(
    secured: EmbeddedBroker, pipeline: Pipeline, tmp_path: Path
) -> None:
    given = variables(secured.as_user("agent"), pipeline)
    before = len(pipeline.read("task-events"))
    with gateway(tmp_path, settings=given) as running:
        assert running.post("/v1/events", some_events(7)) in {200, 202}
        eventually_sync(
            lambda: len(pipeline.read("task-events")) == before + 7, timeout_s=40, what="7 events"
        )
        assert running.end() == 0


def wrong(kafka: KafkaConnection, **changes: object) -> KafkaConnection:
    return replace(kafka, security=replace(kafka.security, **changes))  # type: ignore[arg-type]


@pytest.mark.parametrize("command", ["status", "topics list", "worker features --port 0"])
@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"sasl_password": "guess", "sasl_password_file": ""}, "it refuses the login"),
        ({"ssl_cafile": ""}, "an unknown CA signed the certificate of the broker"),
        (
            {
                "security_protocol": "PLAINTEXT",
                "sasl_mechanism": "",
                "sasl_username": "",
                "sasl_password_file": "",
                "ssl_cafile": "",
            },
            "it may ask for another GNOMON_KAFKA_SECURITY_PROTOCOL",
        ),
    ],
)
def test_who_is_not_let_in_is_told_why(
    secured: EmbeddedBroker,
    pipeline: Pipeline,
    command: str,
    changes: dict[str, object],
    said: str,
) -> None:
    given = variables(wrong(secured.as_user("worker"), **changes), pipeline)

    done = gnomon(*command.split(), **given)

    assert done.returncode in {1, 3}
    assert said in done.stderr.splitlines()[-1]
    assert "guess" not in done.stderr
    assert "Traceback" not in done.stderr


async def test_a_certificate_that_has_expired_is_named(tmp_path: Path) -> None:
    made = Certificates(tmp_path)
    async with tls_server(made.issue("old", valid=-DAY)) as port:
        security = KafkaSecurity(security_protocol="SSL", ssl_cafile=str(made.ca))
        done = await asyncio.to_thread(
            gnomon, "status", GNOMON_BROKERS=f"127.0.0.1:{port}", **security.as_environ()
        )

    assert done.returncode == 1
    assert "the certificate of the broker has expired" in done.stderr.splitlines()[-1]


def test_no_secret_is_seen_from_outside(secured: EmbeddedBroker, pipeline: Pipeline) -> None:
    """Workers log at DEBUG here, where aiokafka would log the request that logs in."""
    passwords = [
        secured.files.password(user).read_text().strip() for user in ("worker", "agent", "admin")
    ]
    seen = [pipeline.log.read_text(), *processes_of(pipeline.folder).values()]
    seen += [json.dumps(pipeline.status(stage)) for stage in STAGES]
    seen += processes_of(secured.files.root.parent).values()

    assert len(seen) > 8
    for text in seen:
        assert not [password for password in passwords if password in text]
    for path in secured.files.root.iterdir():
        assert path.stat().st_mode & 0o077 == 0
