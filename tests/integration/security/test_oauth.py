"""Tokens of an identity provider, which Apache Kafka checks by itself: agents, workers and commands.

Tokens live for a few seconds here, and Kafka ends the connection of whoever does not come with a new one.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest
from tests.support.commands import gnomon
from tests.support.pipeline import STAGES, Pipeline
from tests.support.polling import eventually_sync
from tests.support.servers.identity_provider import AUDIENCE, IdentityProvider
from tests.support.servers.own_kafka import OwnKafka
from tests.support.servers.tls import now

from gnomon import Client
from gnomon.broker.failures import JarsUnavailableError, JavaMissingError
from gnomon.broker.probe import HOST, answers_metadata, free_ports
from gnomon.broker.secured import NODE, SecuredFiles
from gnomon.connection import KafkaConnection, KafkaSecurity
from gnomon.connection.tls import read_context
from gnomon.contract.access import Role, rights_of
from gnomon.errors import MissingExtraError
from gnomon.operations.rights import grant

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(180)]

LIFE_S = 6
"""Of a token; Kafka ends a connection when the token that it began with has expired."""
PREFIX = "oauth-"
ROLES: tuple[Role, ...] = ("agent", "worker", "operator")
HANDLER = "org.apache.kafka.common.security.oauthbearer.OAuthBearerValidatorCallbackHandler"
LOGIN = "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule"


@dataclass(frozen=True)
class Cluster:
    """Kafka, how each role reaches it, and the provider of its tokens."""

    provider: IdentityProvider
    files: SecuredFiles
    port: int
    mutual_port: int

    @property
    def admin(self) -> KafkaConnection:
        """By the broker's own certificate, with all rights."""
        return self.files.mutual_connection(NODE, port=self.mutual_port)

    def as_client(self, client: str) -> KafkaConnection:
        return KafkaConnection(
            f"{HOST}:{self.port}",
            KafkaSecurity(
                security_protocol="SASL_SSL",
                sasl_mechanism="OAUTHBEARER",
                ssl_cafile=str(self.files.authority),
                oauth_token_url=self.provider.token_url,
                oauth_client_id=client,
                oauth_client_secret_file=str(self.files.root / f"{client}.secret"),
            ),
        )


def server_properties(files: SecuredFiles, ports: list[int], keys_url: str) -> dict[str, str]:
    port, controller_port, mutual_port = ports
    listener = "listener.name.broker.oauthbearer.sasl"
    return {
        **files.settings(port=port, controller_port=controller_port, mutual_port=mutual_port),
        "controller.quorum.voters": f"1@{HOST}:{controller_port}",
        "sasl.enabled.mechanisms": "OAUTHBEARER",
        f"{listener}.jaas.config": f"{LOGIN} required;",
        f"{listener}.server.callback.handler.class": HANDLER,
        f"{listener}.oauthbearer.jwks.endpoint.url": keys_url,
        f"{listener}.oauthbearer.expected.audience": AUDIENCE,
        "connections.max.reauth.ms": str(LIFE_S * 1000),
    }


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    folder = tmp_path_factory.mktemp("oauth")
    files = SecuredFiles(folder / "security")
    files.root.mkdir()
    files.make_certificates(now=now(), valid=timedelta(days=60))
    secrets: dict[str, str] = {role: f"s3cret of {role}: & co" for role in ROLES}
    for role, secret in secrets.items():
        (files.root / f"{role}.secret").write_text(secret)
    ports = free_ports(3)
    with IdentityProvider(secrets, life_s=LIFE_S) as provider:
        made = Cluster(provider, files, ports[0], ports[2])
        context = read_context(made.admin.security)
        try:
            kafka = OwnKafka(
                folder / "kafka",
                server_properties(files, ports, provider.keys_url),
                options=[f"-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls={provider.keys_url}"],
                answers=lambda: answers_metadata(made.mutual_port, context=context),
            )
        except (JavaMissingError, JarsUnavailableError, MissingExtraError) as error:
            pytest.skip(str(error))
        with kafka:
            for role in ROLES:
                grant(made.admin, rights_of(role, prefix=PREFIX), principal=f"User:{role}")
            yield made


@pytest.fixture(scope="module")
def pipeline(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    with Pipeline(
        kafka=cluster.as_client("worker"),
        admin=cluster.admin,
        prefix=PREFIX,
        folder=tmp_path_factory.mktemp("pipeline"),
    ) as running:
        yield running


def variables(kafka: KafkaConnection, folder: Path) -> dict[str, str]:
    return {
        "GNOMON_BROKERS": kafka.brokers,
        "GNOMON_TOPIC_PREFIX": PREFIX,
        "GNOMON_DATA_DIR": str(folder),
        **kafka.security.as_environ(),
    }


def test_agents_and_workers_go_on_over_the_lives_of_several_tokens(
    cluster: Cluster, pipeline: Pipeline
) -> None:
    kafka, provider = cluster.as_client("agent"), cluster.provider
    tasks: list[str] = []
    with Client(
        kafka.brokers, security=kafka.security, topic_prefix=PREFIX, agent_id="ada"
    ) as client:

        def renewed() -> bool:
            with client.task("review", task_id=f"task-{len(tasks)}"):
                tasks.append(f"task-{len(tasks)}")
            given = provider.given
            return given.count("agent") >= 3 and given.count("worker") >= 3 * 4

        eventually_sync(renewed, timeout_s=60, what="three tokens of each")
        assert client.flush(30.0) == 0
    eventually_sync(
        lambda: set(tasks) <= set(pipeline.decided()), timeout_s=60, what="a decision on each task"
    )
    assert all(pipeline.get(stage, "/readyz").status == 200 for stage in STAGES)


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("topics check", "the topics agree"),
        ("status", "features"),
        ("tail comparisons --no-follow", ""),
        ("models list", ""),
    ],
)
def test_commands_log_in_by_a_token(
    cluster: Cluster, pipeline: Pipeline, command: str, said: str
) -> None:
    done = gnomon(*command.split(), **variables(cluster.as_client("operator"), pipeline.folder))

    assert done.returncode == 0, done.stderr
    assert said in done.stdout


@pytest.mark.parametrize("command", ["topics list", "worker features --port 0"])
def test_a_wrong_secret_is_told_in_one_line(cluster: Cluster, tmp_path: Path, command: str) -> None:
    kafka = cluster.as_client("worker")
    (tmp_path / "secret").write_text("guess")
    wrong = replace(kafka.security, oauth_client_secret_file=str(tmp_path / "secret"))
    done = gnomon(*command.split(), **variables(replace(kafka, security=wrong), tmp_path))

    assert done.returncode in {1, 3}
    last = done.stderr.splitlines()[-1]
    assert "GNOMON_KAFKA_OAUTH_TOKEN_URL" in last
    assert "HTTP 401" in last
    assert "guess" not in done.stderr
    assert "Traceback" not in done.stderr


def test_an_agent_with_a_wrong_secret_is_told_in_its_log(
    cluster: Cluster,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Another line of this process within the last minute would take this one's place.
    monkeypatch.setattr("gnomon.client.process.log_limits.EVERY_S", 0.0)
    kafka = cluster.as_client("agent")
    (tmp_path / "secret").write_text("guess")
    wrong = replace(kafka.security, oauth_client_secret_file=str(tmp_path / "secret"))
    with Client(kafka.brokers, security=wrong, topic_prefix=PREFIX, agent_id="ada") as client:
        with client.task("review", task_id="never"):
            pass
        eventually_sync(
            lambda: "no token to log in with, see GNOMON_KAFKA_OAUTH_*" in caplog.text,
            timeout_s=60,
            what="a line",
        )
    assert "guess" not in caplog.text


def test_a_token_of_another_provider_is_refused_in_one_line(
    cluster: Cluster, tmp_path: Path
) -> None:
    kafka = cluster.as_client("worker")
    secret = Path(kafka.security.oauth_client_secret_file).read_text()
    with IdentityProvider({"worker": secret}, life_s=LIFE_S) as other:
        wrong = replace(kafka.security, oauth_token_url=other.token_url)
        done = gnomon("status", **variables(replace(kafka, security=wrong), tmp_path))

    assert done.returncode == 1
    assert (
        "it may not take the token of GNOMON_KAFKA_OAUTH_CLIENT_ID" in done.stderr.splitlines()[-1]
    )
