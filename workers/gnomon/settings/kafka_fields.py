"""Settings of the cluster and of the topics: the first part of the one table."""

from dataclasses import dataclass
from typing import Annotated

import msgspec

from gnomon.connection.kafka_security import Mechanism, Protocol
from gnomon.settings.declaration import setting

DEFAULT_BROKERS = "127.0.0.1:9092"
Prefix = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^[A-Za-z0-9._-]{0,200}$", description="up to 200 letters, digits, `.`, `_`, `-`"
    ),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaFields:
    """Which cluster, what it asks of those who connect, and the topics on it."""

    brokers: str = setting(DEFAULT_BROKERS, "Kafka brokers, a comma-separated list of `host:port`.")
    kafka_security_protocol: Protocol = setting("PLAINTEXT", "What the brokers ask for.")
    kafka_sasl_mechanism: Mechanism = setting("", "How to log in, with one of the SASL protocols.")
    kafka_sasl_username: str = setting("", "User of `PLAIN` and `SCRAM-…`.")
    kafka_sasl_password: str = setting("", "Password of that user.", secret=True)
    kafka_sasl_password_file: str = setting("", "File with the password, read at each connection.")
    kafka_ssl_cafile: str = setting(
        "", "PEM file of the authorities that sign brokers.", otherwise="those of the system"
    )
    kafka_ssl_certfile: str = setting(
        "", "PEM file with the certificate of this process, if the brokers ask for one."
    )
    kafka_ssl_keyfile: str = setting(
        "", "PEM file with the private key of the certificate.", otherwise="in the same file"
    )
    kafka_ssl_key_password_file: str = setting("", "File with the password of that key.")
    kafka_ssl_check_hostname: bool = setting(
        default=True, about="Whether the certificate of a broker must be for its host name."
    )
    kafka_oauth_token_url: str = setting(
        "", "Token endpoint of the identity provider, for `OAUTHBEARER`."
    )
    kafka_oauth_client_id: str = setting("", "Id of this process there.")
    kafka_oauth_client_secret_file: str = setting("", "File with its secret, read for each token.")
    kafka_oauth_scope: str = setting("", "What to ask for.")
    kafka_aws_region: str = setting("", "Region of the cluster, for `AWS_MSK_IAM`.")
    topic_prefix: Prefix = setting(
        "",
        "Prefix of every topic name and consumer group. It separates two installations, or a replay, on one cluster.",
    )
    topic_partitions: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = setting(
        4, "Partitions of each topic that `gnomon topics` makes and expects."
    )
    topic_replication: Annotated[int, msgspec.Meta(ge=1, le=100)] = setting(
        1, "Copies of each partition, likewise."
    )
    topic_retention: str = setting(
        "",
        "How long topics keep records, likewise, where it is not as in the contract:"
        " `task-events=30d,decisions=forever`.",
        otherwise="as in the contract",
    )
