"""Settings of a gnomon process, read once from ``GNOMON_*`` variables and passed on as arguments."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Annotated, Literal, Self

import msgspec

from gnomon.connection import KafkaConnection, KafkaSecurity
from gnomon.connection.kafka_security import Mechanism, Protocol
from gnomon.errors import ConfigurationError

PREFIX = "GNOMON_"
DEFAULT_BROKERS = "127.0.0.1:9092"

Positive = Annotated[float, msgspec.Meta(gt=0.0, le=1e9)]
NotNegative = Annotated[float, msgspec.Meta(ge=0.0, le=1e9)]
LogLevel = Annotated[str, msgspec.Meta(pattern="(?i)^(debug|info|warning|error|critical)$")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Configuration of one gnomon process. Immutable once built.

    Attributes:
        brokers: Comma-separated ``host:port`` list.
        kafka_security_protocol: What the brokers ask for; this and those below: see ``KafkaSecurity``.
        kafka_sasl_mechanism: How to log in.
        kafka_sasl_username: User of that login.
        kafka_sasl_password: Password of the user.
        kafka_sasl_password_file: File with the password.
        kafka_ssl_cafile: Authorities that sign brokers.
        kafka_ssl_certfile: Certificate of this process.
        kafka_ssl_keyfile: Key of the certificate.
        kafka_ssl_key_password_file: File with the password of the key.
        kafka_ssl_check_hostname: Whether a broker's certificate must be for its host name.
        kafka_oauth_token_url: Token endpoint of the identity provider.
        kafka_oauth_client_id: Id of this process there.
        kafka_oauth_client_secret_file: File with its secret.
        kafka_oauth_scope: What to ask for.
        kafka_aws_region: Region of an MSK cluster.
        topic_prefix: Prefix of every topic name and consumer group. It separates two
            installations, or a replay, on one cluster.
        topic_partitions: Partitions of each topic that ``gnomon topics`` makes and expects.
        topic_replication: Copies of each partition, likewise.
        topic_retention: How long topics keep records, likewise, where it is not as in the contract:
            ``task-events=30d,decisions=forever``.
        data_dir: Folder of local files, unless one of the URLs below says otherwise.
        state_url: Folder of the stages' state snapshots; a local path or ``file://`` URL.
        store_url: SQLAlchemy URL of the decision store.
        mlflow_uri: MLflow tracking and registry URI (``sqlite:///…`` or ``http://…``).
        model_name: Registered model whose live versions the shadow stage runs.
        key: Key-encryption key, base64 of 32 bytes; used instead of ``key_file`` if both are set.
        key_file: File that holds the key-encryption key.
        log_level: Lowest level of gnomon's own log lines.
        log_format: ``plain`` or ``json``.
        session_timeout_s: Session timeout of the consumer group.
        instance_id: Name of this worker among those of its stage, the same after each restart. With it the
            worker is a static member of its group (KIP-345): after a restart within the session timeout
            it goes on with its partitions, and ends at once the transaction it left open.
        batch_max_records: Most records of one batch.
        model_poll_s: Time between two looks at the model registry.
        max_lateness_s: A finished task whose end is older than its agent's newest event by more
            than this does not count in the features.
        max_clock_ahead_s: Events whose time is ahead of the broker's by more than this are refused.
        expire_after_s: A task without an end expires this long after its start.
        snapshot_every_s: Time between two state snapshots of a partition.
        stall_after_s: The worker is reported as not ready if a partition with work to do makes no
            progress for this long; after three times as long the process exits to be restarted.
        shed_lag_records: If a partition of the shadow stage is behind by more records than this,
            its oldest tasks are skipped without a prediction; 0 means never.
        verdict_settings: JSON file with the registered settings of the live verdict.
        model_budget_ms: Time that a model version may take for a batch; 0 means as long as it takes.
        model_budget_task_ms: Further time for each task of the batch.
        model_grace_s: How much longer than its budget a batch waits for a version, before it goes
            on without its predictions.
        model_failures_in_a_row: A version whose calls fail, or take longer than the budget, this
            many times in a row is skipped.
        model_pause_s: How long it is skipped before it is tried again.
    """

    brokers: str = DEFAULT_BROKERS
    kafka_security_protocol: Protocol = "PLAINTEXT"
    kafka_sasl_mechanism: Mechanism = ""
    kafka_sasl_username: str = ""
    kafka_sasl_password: str = field(default="", repr=False)
    kafka_sasl_password_file: str = ""
    kafka_ssl_cafile: str = ""
    kafka_ssl_certfile: str = ""
    kafka_ssl_keyfile: str = ""
    kafka_ssl_key_password_file: str = ""
    kafka_ssl_check_hostname: bool = True
    kafka_oauth_token_url: str = ""
    kafka_oauth_client_id: str = ""
    kafka_oauth_client_secret_file: str = ""
    kafka_oauth_scope: str = ""
    kafka_aws_region: str = ""
    topic_prefix: str = ""
    topic_partitions: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 4
    topic_replication: Annotated[int, msgspec.Meta(ge=1, le=100)] = 1
    topic_retention: str = ""
    data_dir: str = ".gnomon"
    state_url: str = ""
    store_url: str = ""
    mlflow_uri: str = ""
    model_name: str = "gnomon"
    key: str = field(default="", repr=False)
    key_file: str = ""
    log_level: LogLevel = "INFO"
    log_format: Literal["plain", "json"] = "plain"
    session_timeout_s: Positive = 10.0
    instance_id: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9._-]{0,120}$")] = ""
    batch_max_records: Annotated[int, msgspec.Meta(ge=1)] = 8192
    model_poll_s: Positive = 5.0
    max_lateness_s: NotNegative = 600.0
    max_clock_ahead_s: NotNegative = 600.0
    expire_after_s: Positive = 86_400.0
    snapshot_every_s: Positive = 10.0
    stall_after_s: Positive = 60.0
    shed_lag_records: Annotated[int, msgspec.Meta(ge=0)] = 50_000
    verdict_settings: str = ""
    model_budget_ms: NotNegative = 200.0
    model_budget_task_ms: NotNegative = 0.5
    model_grace_s: NotNegative = 5.0
    model_failures_in_a_row: Annotated[int, msgspec.Meta(ge=1)] = 5
    model_pause_s: Positive = 30.0

    def __post_init__(self) -> None:
        """Derive from ``data_dir`` the paths that were not given; check that the security settings fit."""
        _ = self.kafka
        root = Path(self.data_dir).resolve()
        for name, value in (
            ("state_url", str(root / "state")),
            ("store_url", f"sqlite:///{root / 'store.db'}"),
            ("mlflow_uri", f"sqlite:///{root / 'mlflow.db'}"),
            ("key_file", str(root / "kek.key")),
        ):
            if not getattr(self, name):
                object.__setattr__(self, name, value)

    @property
    def kafka(self) -> KafkaConnection:
        """The cluster, and what it asks of those who connect."""
        security = {f.name: getattr(self, f"kafka_{f.name}") for f in fields(KafkaSecurity)}
        return KafkaConnection(self.brokers, KafkaSecurity(**security))

    def reaching(self, kafka: KafkaConnection) -> Self:
        """Return these settings for another cluster."""
        security = {
            f"kafka_{f.name}": getattr(kafka.security, f.name) for f in fields(KafkaSecurity)
        }
        return replace(self, brokers=kafka.brokers, **security)

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Self:
        """Build from ``GNOMON_*`` variables; other variables are ignored.

        Raises:
            ConfigurationError: A variable has an invalid value; the message names the variable.
        """
        known = {f.name for f in fields(cls)}
        given = {
            name: value
            for key, value in environ.items()
            if key.startswith(PREFIX) and (name := key.removeprefix(PREFIX).lower()) in known
        }
        try:
            return msgspec.convert(given, cls, strict=False)
        except msgspec.ValidationError as error:
            expected, _, name = str(error).rpartition(" - at `$.")
            raise ConfigurationError(f"{PREFIX}{name.rstrip('`').upper()}: {expected}") from error

    def environ_of_child(self, environ: Mapping[str, str]) -> dict[str, str]:
        """Return the environment of a child process: ``environ`` with these settings.

        Kafka's security is wholly that of these settings.
        """
        others = {k: v for k, v in environ.items() if not k.startswith(f"{PREFIX}KAFKA_")}
        return {**others, **self.as_environ()}

    def as_environ(self) -> dict[str, str]:
        """Return these settings as ``GNOMON_*`` variables for a child process."""
        return {
            f"{PREFIX}{f.name.upper()}": str(value)
            for f in fields(self)
            if (value := getattr(self, f.name)) != ""
        }
