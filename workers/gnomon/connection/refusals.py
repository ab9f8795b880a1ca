"""Says in one line why Kafka lets nobody in: which setting, certificate or right is wrong.

aiokafka logs the reason of each failed connection and then raises that it has none, so ``why_no_broker``
connects once more to see it.
"""

import ssl
from typing import Final

from aiokafka import errors
from aiokafka.conn import collect_hosts, create_conn
from aiokafka.protocol.metadata import MetadataRequest

from gnomon.connection.aiokafka_clients import options_of
from gnomon.connection.kafka_connection import KafkaConnection
from gnomon.connection.kafka_security import setting
from gnomon.errors import BrokerUnavailableError, NotLetInError

TIMEOUT_MS: Final = 5_000
_UNKNOWN_CA: Final = (
    f"an unknown CA signed the certificate of the broker: name it in {setting('ssl_cafile')}"
)
_CERTIFICATE: Final = {
    7: _UNKNOWN_CA,  # one of the same name, but with another key
    9: "the certificate of the broker is not valid yet",
    10: "the certificate of the broker has expired",
    18: f"the broker signed its certificate itself: name it in {setting('ssl_cafile')}",
    19: _UNKNOWN_CA,
    20: _UNKNOWN_CA,
    62: "the certificate of the broker is for another host name",
    64: "the certificate of the broker is for another address",
}
"""By OpenSSL's number of what is wrong with a certificate (``X509_V_ERR_*``)."""
_ALERTS: Final = (
    ("CERTIFICATE_EXPIRED", f"the certificate of {setting('ssl_certfile')} has expired"),
    ("CERTIFICATE_REQUIRED", f"it asks for a certificate: set {setting('ssl_certfile')}"),
    ("UNKNOWN_CA", f"it does not know the CA that signed {setting('ssl_certfile')}"),
    ("BAD_CERTIFICATE", f"it refuses the certificate, see {setting('ssl_certfile')}"),
    ("CERTIFICATE_UNKNOWN", f"it refuses the certificate of {setting('ssl_certfile')}"),
    ("WRONG_VERSION_NUMBER", f"it does not speak TLS, see {setting('security_protocol')}"),
)
"""By part of OpenSSL's name of what the broker, or the handshake, has ended with."""
_REFUSED: Final = (
    (
        errors.SaslAuthenticationFailed,
        f"it refuses the login, see {setting('sasl_username')} and {setting('sasl_password')}",
    ),
    (
        errors.UnsupportedSaslMechanismError,
        f"it does not know this login, see {setting('sasl_mechanism')}",
    ),
    (errors.IllegalSaslStateError, f"it asks for no login, see {setting('security_protocol')}"),
    (errors.TopicAuthorizationFailedError, "this user may not use a topic"),
    (errors.GroupAuthorizationFailedError, "this user may not use a consumer group"),
    (errors.ClusterAuthorizationFailedError, "this user lacks a right of the cluster"),
    (
        errors.TransactionalIdAuthorizationFailed,
        "this user may not use a transactional id",
    ),
)
_RIGHTS: Final = "; 'gnomon topics acls' prints the rights of each role"


def refusal(error: BaseException) -> str | None:
    """Return why ``error`` lets nobody in; ``None`` if it says nothing about that."""
    while True:
        if isinstance(error, ssl.SSLCertVerificationError):
            return _CERTIFICATE.get(error.verify_code, error.verify_message)
        if isinstance(error, ssl.SSLError):
            return _alert(error)
        for kind, text in _REFUSED:
            if isinstance(error, kind):
                detail = f" ({', '.join(map(str, error.args))})" if error.args else ""
                return f"{text}{detail}" + (_RIGHTS if "may not" in text or "lacks" in text else "")
        if error.__cause__ is None:
            return None
        error = error.__cause__


def _alert(error: ssl.SSLError) -> str:
    reason = error.reason or str(error)
    return next((text for part, text in _ALERTS if part in reason), f"no TLS with it: {reason}")


def unavailable(what: str, error: BaseException) -> BrokerUnavailableError:
    """Turn an error of aiokafka about ``what`` into gnomon's; ``NotLetInError`` for a refusal."""
    why = refusal(error)
    return (
        BrokerUnavailableError(f"{what}: {error!r}")
        if why is None
        else NotLetInError(f"{what}: {why}")
    )


async def broker_error(kafka: KafkaConnection, error: BaseException) -> BrokerUnavailableError:
    """Turn an error of aiokafka into the error that tells a person what to do.

    Returns:
        ``NotLetInError`` if brokers answer and refuse.
    """
    why = refusal(error)
    if why is None and isinstance(error, errors.KafkaConnectionError | TimeoutError):
        why = await why_no_broker(kafka)
    if why is not None:
        return NotLetInError(f"{kafka} answers, but {why}")
    return BrokerUnavailableError(
        f"no Kafka broker answers at {kafka} ({error!r}): start one with 'gnomon broker',"
        " or say where one is with GNOMON_BROKERS"
    )


async def why_no_broker(kafka: KafkaConnection) -> str | None:
    """Connect once to each broker; return why the first that refuses does, ``None`` if none does."""
    options = options_of(kafka)
    for host, port, _ in collect_hosts(options.pop("bootstrap_servers")):
        try:
            connected = await create_conn(host, port, request_timeout_ms=TIMEOUT_MS, **options)
        except (OSError, errors.KafkaError, TimeoutError) as error:
            why = refusal(error) or _closed(error)
        else:
            try:
                await connected.send(MetadataRequest([]))
                why = None
            except (errors.KafkaError, TimeoutError) as error:
                why = refusal(error) or _closed(error)
            finally:
                connected.close()
        if why is not None:
            return why
    return None


def _closed(error: BaseException) -> str | None:
    """Return what a connection means that the broker accepts and then closes."""
    if isinstance(error, errors.KafkaConnectionError | ConnectionResetError):
        return f"it ends the connection: it may ask for another {setting('security_protocol')}"
    return None
