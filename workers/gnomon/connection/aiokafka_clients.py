"""Makes every aiokafka client of the package from a ``KafkaConnection``.

aiokafka takes the password and the TLS context once, when a client is made. What is passed here is read
anew at each connection, so that a changed password or certificate needs no restart.
"""

import logging
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.abc import AbstractTokenProvider
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.client import AIOKafkaClient

from gnomon.connection.kafka_connection import KafkaConnection
from gnomon.connection.kafka_security import KafkaSecurity
from gnomon.connection.secret_files import read_password
from gnomon.connection.tls import RereadContext
from gnomon.connection.tokens import TokenCache
from gnomon.errors import ConfigurationError

# At DEBUG aiokafka logs each request, and the one that logs in contains the password.
logging.getLogger("aiokafka.conn").setLevel(logging.INFO)

ASK_AGAIN_MS = 10
"""``retry_backoff_ms`` of a consumer that asks once for the offsets of many topics: aiokafka waits as long,
100 ms otherwise, for each topic that it has not read yet."""


def consumer(kafka: KafkaConnection, *topics: str, **options: Any) -> AIOKafkaConsumer:
    """Make a consumer, not started."""
    made = AIOKafkaConsumer(*topics, **options, **options_of(kafka))
    _reread_password(made._client, kafka.security)  # noqa: SLF001  aiokafka has no public way
    return made


def producer(kafka: KafkaConnection, **options: Any) -> AIOKafkaProducer:
    """Make a producer, not started."""
    made = AIOKafkaProducer(**options, **options_of(kafka))
    _reread_password(made.client, kafka.security)
    return made


def admin(kafka: KafkaConnection, **options: Any) -> AIOKafkaAdminClient:
    """Make an admin client, not started."""
    made = AIOKafkaAdminClient(**options, **options_of(kafka))
    _reread_password(made._client, kafka.security)  # noqa: SLF001  aiokafka has no public way
    return made


def client(kafka: KafkaConnection, **options: Any) -> AIOKafkaClient:
    """Make a client of requests, not started."""
    made = AIOKafkaClient(**options, **options_of(kafka))
    _reread_password(made, kafka.security)
    return made


def options_of(kafka: KafkaConnection) -> dict[str, Any]:
    """Return the options that connect a client of aiokafka, also ``aiokafka.conn.create_conn``.

    Raises:
        ConfigurationError: A file that the settings name cannot be used.
    """
    security = kafka.security
    options: dict[str, Any] = {
        "bootstrap_servers": kafka.addresses,
        "security_protocol": security.security_protocol,
    }
    if security.encrypts:
        options["ssl_context"] = RereadContext(security)
    if security.sasl_mechanism in {"OAUTHBEARER", "AWS_MSK_IAM"}:
        options["sasl_mechanism"] = "OAUTHBEARER"
        options["sasl_oauth_token_provider"] = _TokenProvider(security)
    elif security.logs_in:
        options["sasl_mechanism"] = security.sasl_mechanism
        options["sasl_plain_username"] = security.sasl_username
        options["sasl_plain_password"] = read_password(security)
    return options


class _TokenProvider(AbstractTokenProvider):  # type: ignore[misc]  # aiokafka is untyped
    """aiokafka's interface of ``TokenCache``."""

    def __init__(self, security: KafkaSecurity) -> None:
        self._cache = TokenCache(security)

    async def token(self) -> str:
        """Return a token that is valid."""
        return await self._cache.token()


class _RereadingClient(AIOKafkaClient):  # type: ignore[misc]  # aiokafka is untyped
    """Reads the password of each new connection from its file."""

    gnomon_security: KafkaSecurity

    @property
    def _sasl_plain_password(self) -> str:
        try:
            return read_password(self.gnomon_security)
        except ConfigurationError as error:
            raise OSError(str(error)) from error  # aiokafka logs it, and tries again


def _reread_password(made: AIOKafkaClient, security: KafkaSecurity) -> None:
    """Turn a client that aiokafka has made into one that reads the password at each connection."""
    if security.sasl_password_file and type(made) is AIOKafkaClient:
        made.__class__ = _RereadingClient
        made.gnomon_security = security
