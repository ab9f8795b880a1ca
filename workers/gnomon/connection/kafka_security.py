"""What a Kafka cluster asks of those who connect: encryption, a login, a certificate.

The value is pure: it names files, and the clients read them when they connect.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Final, Literal, Self, get_args

import msgspec

from gnomon.errors import ConfigurationError

PREFIX: Final = "GNOMON_KAFKA_"
Protocol = Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]
Mechanism = Literal["", "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER", "AWS_MSK_IAM"]
_VALUES: Final = {
    "security_protocol": get_args(Protocol),
    "sasl_mechanism": get_args(Mechanism),
}
_SSL: Final = ("ssl_cafile", "ssl_certfile", "ssl_keyfile", "ssl_key_password_file")
_LOGIN: Final = ("sasl_username", "sasl_password", "sasl_password_file")
_OAUTH: Final = (
    "oauth_token_url",
    "oauth_client_id",
    "oauth_client_secret_file",
    "oauth_scope",
)
_OF_MECHANISM: Final[Mapping[str, tuple[str, ...]]] = {
    "PLAIN": _LOGIN,
    "SCRAM-SHA-256": _LOGIN,
    "SCRAM-SHA-512": _LOGIN,
    "OAUTHBEARER": _OAUTH,
    "AWS_MSK_IAM": ("aws_region",),
}
_OPTIONAL: Final = frozenset({"sasl_password", "sasl_password_file", "oauth_scope"})


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaSecurity:
    """Security settings of a connection, by the names that Kafka's users know.

    Attributes:
        security_protocol: ``PLAINTEXT``, ``SSL``, ``SASL_PLAINTEXT`` or ``SASL_SSL``.
        sasl_mechanism: How to log in, with one of the SASL protocols.
        sasl_username: User of ``PLAIN`` and ``SCRAM-…``.
        sasl_password: Password of that user.
        sasl_password_file: File with the password, read at each connection.
        ssl_cafile: PEM file of the authorities that sign brokers; empty: those of the system.
        ssl_certfile: PEM file with the client's certificate, if the brokers ask for one.
        ssl_keyfile: PEM file with the private key of the certificate; empty: it is in ``ssl_certfile``.
        ssl_key_password_file: File with the password of that key.
        ssl_check_hostname: Whether the certificate of a broker must be for its host name.
        oauth_token_url: Token endpoint of the identity provider, for ``OAUTHBEARER``.
        oauth_client_id: The client's id there.
        oauth_client_secret_file: File with the client's secret, read for each token.
        oauth_scope: What to ask for.
        aws_region: Region of the cluster, for ``AWS_MSK_IAM``.

    Raises:
        ConfigurationError: Two settings do not fit; the message names one.
    """

    security_protocol: Protocol = "PLAINTEXT"
    sasl_mechanism: Mechanism = ""
    sasl_username: str = ""
    sasl_password: str = field(default="", repr=False)
    sasl_password_file: str = ""
    ssl_cafile: str = ""
    ssl_certfile: str = ""
    ssl_keyfile: str = ""
    ssl_key_password_file: str = ""
    ssl_check_hostname: bool = True
    oauth_token_url: str = ""
    oauth_client_id: str = ""
    oauth_client_secret_file: str = ""
    oauth_scope: str = ""
    aws_region: str = ""

    def __post_init__(self) -> None:
        """Check that the settings fit each other."""
        self._check_tls()
        self._check_login()
        scheme, _, address = self.oauth_token_url.partition("://")
        host = address.partition("/")[0]
        if self.oauth_token_url and not (scheme in {"https", "http"} and host):
            raise _refused("oauth_token_url", "must begin with https:// and a host")

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Self:
        """Build from ``GNOMON_KAFKA_*`` variables; others are ignored.

        Raises:
            ConfigurationError: A value cannot be used; the message names the variable.
        """
        given = {
            f.name: environ[setting(f.name)] for f in fields(cls) if setting(f.name) in environ
        }
        try:
            return msgspec.convert(given, cls, strict=False)
        except msgspec.ValidationError as error:
            # Not the library's text, which has the value: that may be a secret in the wrong place.
            name = str(error).rpartition("`$.")[2].rstrip("`")
            expected = ", ".join(filter(None, _VALUES.get(name, ("true", "false"))))
            raise ConfigurationError(f"{setting(name)} must be one of: {expected}") from None

    def as_environ(self) -> dict[str, str]:
        """Return the variables that give these settings, without those that have their default."""
        return {
            setting(f.name): str(value).lower() if f.name == "ssl_check_hostname" else str(value)
            for f in fields(self)
            if (value := getattr(self, f.name)) != f.default
        }

    @property
    def encrypts(self) -> bool:
        """Whether connections use TLS."""
        return self.security_protocol in {"SSL", "SASL_SSL"}

    @property
    def logs_in(self) -> bool:
        """Whether connections use SASL."""
        return self.security_protocol in {"SASL_PLAINTEXT", "SASL_SSL"}

    def _check_tls(self) -> None:
        given = self._given(_SSL)
        if given and not self.encrypts:
            raise _refused(
                given[0],
                f"needs {PREFIX}SECURITY_PROTOCOL SSL or SASL_SSL, it is {self.security_protocol}",
            )
        for name in ("ssl_keyfile", "ssl_key_password_file"):
            if getattr(self, name) and not self.ssl_certfile:
                raise _refused(name, f"needs {setting('ssl_certfile')}")

    def _check_login(self) -> None:
        mechanism = self.sasl_mechanism
        if self.logs_in and not mechanism:
            raise _refused("sasl_mechanism", f"is needed for {self.security_protocol}")
        if mechanism and not self.logs_in:
            raise _refused(
                "sasl_mechanism",
                f"needs {PREFIX}SECURITY_PROTOCOL SASL_SSL or SASL_PLAINTEXT,"
                f" it is {self.security_protocol}",
            )
        own = _OF_MECHANISM.get(mechanism, ())
        for name in self._given((*_LOGIN, *_OAUTH, "aws_region")):
            if name not in own:
                raise _refused(
                    name, f"does not belong to {setting('sasl_mechanism')} {mechanism!r}"
                )
        for name in own:
            if name not in _OPTIONAL and not getattr(self, name):
                raise _refused(name, f"is needed for {mechanism}")
        if own is _LOGIN and bool(self.sasl_password) == bool(self.sasl_password_file):
            raise _refused(
                "sasl_password",
                f"give either this or {setting('sasl_password_file')}, for {mechanism}",
            )
        if mechanism == "AWS_MSK_IAM" and not self.encrypts:
            raise _refused("security_protocol", "must be SASL_SSL for AWS_MSK_IAM")

    def _given(self, names: tuple[str, ...]) -> list[str]:
        return [name for name in names if getattr(self, name)]


NO_SECURITY: Final = KafkaSecurity()
"""What a cluster asks that lets everyone in: nothing."""


def setting(name: str) -> str:
    """Return the environment variable of a field."""
    return f"{PREFIX}{name.upper()}"


def _refused(name: str, why: str) -> ConfigurationError:
    return ConfigurationError(f"{setting(name)} {why}")
