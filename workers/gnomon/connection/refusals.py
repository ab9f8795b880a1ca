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
from gnomon.connection.tokens import TokenError
from gnomon.errors import (
    BrokerUnavailableError,
    ConfigurationError,
    GnomonError,
    NotLetInError,
    StalledError,
)
from gnomon.kafka_errors import Action, action_of

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
_ADVICE: Final[dict[Action, str]] = {
    "wait": "it passes when the brokers are back",
    "restart": "the process is out of date and has to start again",
    "configure": "change the setting, the right or the topic that it names; retries cannot help",
    "replace": "Kafka and gnomon do not fit each other, or stored bytes are damaged; retries cannot help",
}
_WITHOUT_REASON: Final = (errors.KafkaConnectionError, errors.NodeNotReadyError, TimeoutError)
"""What aiokafka raises when no connection comes about, for whatever reason."""
_NOBODY: Final = "Unable to bootstrap"
"""With these words aiokafka names the brokers, and no reason."""
_RIGHTS: Final = "; 'gnomon topics acls' prints the rights of each role"


def refusal(error: BaseException) -> str | None:
    """Return why ``error`` lets nobody in; ``None`` if it says nothing about that."""
    while True:
        if isinstance(error, TokenError):
            return f"there is no token to log in with: {error}"
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


def unavailable(what: str, error: BaseException) -> GnomonError:
    """Turn an error of aiokafka about ``what`` into gnomon's, by what the operator does about it.

    Returns:
        ``NotLetInError`` for a refusal; else ``BrokerUnavailableError`` to wait, ``StalledError`` to start
        the process again, ``ConfigurationError`` if no retry can help (``kafka_errors``).
    """
    why = refusal(error)
    if why is not None:
        return NotLetInError(f"{what}: {why}")
    action = action_of(error)
    message = f"{what}: {error!r}: {_ADVICE[action]}"
    if action == "wait":
        return BrokerUnavailableError(message)
    return StalledError(message) if action == "restart" else ConfigurationError(message)


async def broker_error(kafka: KafkaConnection, error: BaseException) -> GnomonError:
    """Turn an error of aiokafka into the error that tells a person what to do; see ``unavailable``."""
    why = refusal(error)
    if why is None and isinstance(error, _WITHOUT_REASON):
        why = await why_no_broker(kafka)
    if why is not None:
        return NotLetInError(f"{kafka} answers, but {why}")
    if action_of(error) != "wait":
        return unavailable(str(kafka), error)
    more = "" if _NOBODY in str(error) else f" ({error!r})"
    return BrokerUnavailableError(
        f"no Kafka broker answers at {kafka}{more}: start one with 'gnomon broker',"
        " or say where one is with GNOMON_BROKERS"
    )


async def why_no_broker(kafka: KafkaConnection) -> str | None:
    """Connect once to each broker; return why the first that refuses does, ``None`` if none does."""
    options = options_of(kafka)
    for host, port, _ in collect_hosts(options.pop("bootstrap_servers")):
        try:
            connected = await create_conn(host, port, request_timeout_ms=TIMEOUT_MS, **options)
        except (OSError, errors.KafkaError, TimeoutError) as error:
            why = refusal(error) or _closed(kafka, error)
        else:
            try:
                answer = await connected.send(MetadataRequest([]))
                # aiokafka does not read how a token was judged. Kafka answers whoever has no valid one
                # with no brokers, and then ends the connection.
                why = None if answer.brokers else _ended(kafka)
            except (errors.KafkaError, TimeoutError) as error:
                why = refusal(error) or _closed(kafka, error)
            finally:
                connected.close()
        if why is not None:
            return why
    return None


def _closed(kafka: KafkaConnection, error: BaseException) -> str | None:
    """Return what a connection means that the broker accepts and then closes."""
    if isinstance(error, errors.KafkaConnectionError | ConnectionResetError):
        return _ended(kafka)
    return None


def _ended(kafka: KafkaConnection) -> str:
    protocol = f"it may ask for another {setting('security_protocol')}"
    if kafka.security.sasl_mechanism in {"OAUTHBEARER", "AWS_MSK_IAM"}:
        protocol = f"it may not take the token of {setting('oauth_client_id')}, or {protocol}"
    return f"it ends the connection: {protocol}"
