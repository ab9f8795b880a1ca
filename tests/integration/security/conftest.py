"""One secured broker, and on it one pipeline with the rights that ``gnomon topics acls`` prints."""

import secrets
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # documented as public
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)
from tests.support.commands import gnomon
from tests.support.pipeline import Pipeline

from gnomon.broker import EmbeddedBroker
from gnomon.broker.failures import JarsUnavailableError, JavaMissingError
from gnomon.connection import KafkaConnection
from gnomon.errors import MissingExtraError

ROLES = ("agent", "worker", "operator", "reader", "replay")
OPERATIONS = {
    "Read": AclOperation.READ,
    "Write": AclOperation.WRITE,
    "Create": AclOperation.CREATE,
    "Describe": AclOperation.DESCRIBE,
    "DescribeConfigs": AclOperation.DESCRIBE_CONFIGS,
}
RESOURCES = {
    "--topic": ResourceType.TOPIC,
    "--group": ResourceType.GROUP,
    "--transactional-id": ResourceType.TRANSACTIONAL_ID,
}


@pytest.fixture(scope="session")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedBroker]:
    """Kafka by SASL_SSL and mutual TLS, which denies what no right allows."""
    broker = EmbeddedBroker(data_dir=tmp_path_factory.mktemp("secured"), secure=True)
    try:
        broker.start(timeout_s=120)
    except (JavaMissingError, JarsUnavailableError, MissingExtraError) as error:
        pytest.skip(str(error))
    try:
        yield broker
    finally:
        broker.stop()


@pytest.fixture(scope="session")
def granted(secured: EmbeddedBroker) -> str:
    """Grant each role what the command prints, for one prefix; return the prefix."""
    prefix = f"s{secrets.token_hex(4)}-"
    grant_printed(secured.connection, prefix, *ROLES)
    return prefix


def grant_printed(kafka: KafkaConnection, prefix: str, *roles: str) -> None:
    """Grant roles what the command prints for a prefix."""
    for role in roles:
        printed = gnomon("topics", "acls", "--role", role, "--prefix", prefix)
        assert printed.returncode == 0, printed.stderr
        grant(kafka, printed.stdout)


def grant(kafka: KafkaConnection, lines: str) -> None:
    """Do what ``kafka-acls.sh`` does with ``lines``; another word than it knows is an error."""
    admin = admin_of(kafka)
    wanted = [binding for line in lines.splitlines() for binding in bindings(line)]
    for done in admin.create_acls(wanted).values():
        done.result(30)


def admin_of(kafka: KafkaConnection) -> AdminClient:
    """Make an admin client by the options of the library itself."""
    security = kafka.security
    return AdminClient(
        {
            "bootstrap.servers": kafka.brokers,
            "security.protocol": "SASL_SSL",
            "sasl.mechanism": "SCRAM-SHA-512",
            "sasl.username": security.sasl_username,
            "sasl.password": Path(security.sasl_password_file).read_text(encoding="utf-8").strip(),
            "ssl.ca.location": security.ssl_cafile,
        }
    )


def bindings(line: str) -> list[AclBinding]:
    """Read one line as ``kafka-acls.sh`` does."""
    command, *words = shlex.split(line)
    assert command == "kafka-acls.sh"
    words.remove("--add")
    given = list(zip(words[::2], words[1::2], strict=True))
    options = {name: value for name, value in given if name != "--operation"}
    known = {"--bootstrap-server", "--command-config", "--allow-principal"}
    ((kind, name),) = [(k, v) for k, v in options.items() if k in RESOURCES]
    assert options.keys() - known - {kind} <= {"--resource-pattern-type"}
    prefixed = options.get("--resource-pattern-type") == "prefixed"
    return [
        AclBinding(
            RESOURCES[kind],
            name,
            ResourcePatternType.PREFIXED if prefixed else ResourcePatternType.LITERAL,
            options["--allow-principal"],
            "*",
            OPERATIONS[operation],
            AclPermissionType.ALLOW,
        )
        for word, operation in given
        if word == "--operation"
    ]


@pytest.fixture(scope="session")
def pipeline(
    secured: EmbeddedBroker, granted: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Pipeline]:
    """Four workers with the rights of workers alone; the topics are the operator's."""
    with Pipeline(
        kafka=secured.as_user("worker"),
        admin=secured.as_user("operator"),
        prefix=granted,
        folder=tmp_path_factory.mktemp("pipeline"),
    ) as running:
        yield running
