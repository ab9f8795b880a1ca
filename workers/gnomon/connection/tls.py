"""TLS contexts whose certificates are read anew for each connection, so that they may be replaced."""

import logging
import ssl
from typing import Any

from gnomon.connection.kafka_security import KafkaSecurity, setting
from gnomon.connection.secret_files import read_secret
from gnomon.errors import ConfigurationError

logger = logging.getLogger(__name__)


def read_context(security: KafkaSecurity) -> ssl.SSLContext:
    """Return a context of the certificates as the files have them now.

    Raises:
        ConfigurationError: A file cannot be read, or is not what its setting says.
    """
    try:
        context = ssl.create_default_context(cafile=security.ssl_cafile or None)
    except OSError as error:
        raise _unusable("ssl_cafile", security.ssl_cafile, "PEM certificates", error) from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname = security.ssl_check_hostname
    if security.ssl_certfile:
        password = (
            read_secret(security, "ssl_key_password_file") if security.ssl_key_password_file else ""
        )
        try:
            # A password that is a function is asked for only if there is one to give: without it,
            # OpenSSL would ask on the terminal.
            context.load_cert_chain(
                security.ssl_certfile, security.ssl_keyfile or None, password=lambda: password
            )
        except OSError as error:
            name = "ssl_keyfile" if security.ssl_keyfile else "ssl_certfile"
            paths = " and ".join(filter(None, (security.ssl_certfile, security.ssl_keyfile)))
            raise _unusable(name, paths, "a PEM certificate and its key", error) from None
    return context


def _unusable(name: str, path: str, what: str, error: OSError) -> ConfigurationError:
    why = error.reason if isinstance(error, ssl.SSLError) else error.strerror
    return ConfigurationError(f"{setting(name)}: {path} must hold {what}: {why or 'it does not'}")


class RereadContext(ssl.SSLContext):
    """Behaves as a context that was made at the moment of each handshake.

    While files cannot be used, as in the middle of their replacement, the last good ones are. asyncio asks
    a context for nothing but ``wrap_bio``.

    Args:
        security: Names the files.

    Raises:
        ConfigurationError: The files cannot be used now.
    """

    def __new__(cls, security: KafkaSecurity) -> "RereadContext":
        """Make the context, which stays empty."""
        return super().__new__(cls, ssl.PROTOCOL_TLS_CLIENT)

    def __init__(self, security: KafkaSecurity) -> None:
        self._security, self._last = security, read_context(security)

    def wrap_bio(self, *arguments: Any, **options: Any) -> ssl.SSLObject:
        """Begin a handshake by the files as they are now."""
        try:
            self._last = read_context(self._security)
        except ConfigurationError as error:
            logger.warning("kafka.certificates_kept", extra={"reason": str(error)})
        return self._last.wrap_bio(*arguments, **options)
