"""The settings of librdkafka for a ``KafkaConnection``.

librdkafka reads certificates, passwords and secrets when a handle is made, and has no way to read the
certificates again. After a refused login or handshake a new handle must be made.
"""

import time
from collections.abc import Mapping
from functools import partial
from typing import Any

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient

from gnomon.connection.kafka_connection import KafkaConnection
from gnomon.connection.kafka_security import KafkaSecurity
from gnomon.connection.secret_files import read_password, read_secret
from gnomon.connection.tokens import fetch_token


def admin(kafka: KafkaConnection) -> AdminClient:
    """Make an admin client of librdkafka, for the requests that aiokafka does not have."""
    return AdminClient({**settings_of(kafka), "log_level": 0})


def producer(kafka: KafkaConnection) -> Producer:
    """Make a producer of librdkafka for a command that publishes a few records and ends."""
    return Producer({**settings_of(kafka), "enable.idempotence": True, "log_level": 0})


def settings_of(kafka: KafkaConnection) -> Mapping[str, Any]:
    """Return the settings that connect a handle.

    Raises:
        ConfigurationError: A file that the settings name cannot be read.
    """
    security = kafka.security
    settings: dict[str, Any] = {"bootstrap.servers": ",".join(kafka.addresses)}
    if security.security_protocol != "PLAINTEXT":
        settings["security.protocol"] = security.security_protocol
    if security.encrypts:
        settings |= _tls(security)
    if security.logs_in:
        settings |= _login(security)
    return settings


def _tls(security: KafkaSecurity) -> dict[str, Any]:
    settings = {
        "ssl.ca.location": security.ssl_cafile,
        "ssl.certificate.location": security.ssl_certfile,
        "ssl.key.location": security.ssl_keyfile or security.ssl_certfile,
        "ssl.endpoint.identification.algorithm": "https" if security.ssl_check_hostname else "none",
    }
    if security.ssl_key_password_file:
        settings["ssl.key.password"] = read_secret(security, "ssl_key_password_file")
    return {name: value for name, value in settings.items() if value}


def _login(security: KafkaSecurity) -> dict[str, Any]:
    match security.sasl_mechanism:
        case "AWS_MSK_IAM":
            return {"sasl.mechanism": "OAUTHBEARER", "oauth_cb": partial(_token, security)}
        case "OAUTHBEARER":
            settings = {
                "sasl.mechanism": "OAUTHBEARER",
                "sasl.oauthbearer.method": "oidc",
                "sasl.oauthbearer.token.endpoint.url": security.oauth_token_url,
                "sasl.oauthbearer.client.id": security.oauth_client_id,
                "sasl.oauthbearer.client.secret": read_secret(security, "oauth_client_secret_file"),
                "sasl.oauthbearer.scope": security.oauth_scope,
            }
            return {name: value for name, value in settings.items() if value}
        case mechanism:
            return {
                "sasl.mechanism": mechanism,
                "sasl.username": security.sasl_username,
                "sasl.password": read_password(security),
            }


def _token(security: KafkaSecurity, _config: str) -> tuple[str, float]:
    """Return a token and when it ends, in epoch seconds, as librdkafka asks for it."""
    token = fetch_token(security)
    return token.text, time.time_ns() / 1e9 + token.life_s
