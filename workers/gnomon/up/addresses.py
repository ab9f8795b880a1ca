"""Where agents send to, and the variables that they need for it."""

import os
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from gnomon.broker.probe import HOST, port_is_free
from gnomon.errors import ConfigurationError

MAX_PORT = 65_535
TOKEN_BYTES = 24
ANY = 0
"""The port that stands for any free one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """Ports on the loopback address; 0 takes a free one."""

    kafka: int
    gateway: int
    dashboard: int
    exporter: int
    workers: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Addresses:
    """Where agents send to.

    Attributes:
        kafka: ``host:port``.
        gateway: URL of the gateway.
        dashboard: URL of the dashboard; empty if there is none.
        exporter: URL of the metrics of the whole installation.
        kafka_variables: File of shell variables for agents, on a secured broker.
        gateway_variables: File of shell variables for senders to a gateway that asks for a token.
    """

    kafka: str
    gateway: str
    dashboard: str = ""
    exporter: str = ""
    kafka_variables: Path | None = None
    gateway_variables: Path | None = None

    def lines(self) -> list[str]:
        """Return one line for each way to send, with what is to be set for it."""
        kafka = (
            f"export GNOMON_BROKERS={self.kafka}"
            if self.kafka_variables is None
            else f". {self.kafka_variables}   ({self.kafka})"
        )
        otlp = (
            f"export OTEL_EXPORTER_OTLP_ENDPOINT={self.gateway}"
            if self.gateway_variables is None
            else f". {self.gateway_variables}   ({self.gateway})"
        )
        return [
            f"{'gnomon.Client':<15}{kafka}",
            f"{'OpenTelemetry':<15}{otlp}",
            f"{'JSON over HTTP':<15}POST {self.gateway}/v1/events",
        ]


def require_free(wanted: Sequence[tuple[str, int]]) -> None:
    """Check that nobody listens on the ports, each with the option that chooses it.

    Raises:
        ConfigurationError: A port is taken or there is none, or two options name the same one; the
            message says which.
    """
    seen: dict[int, str] = {}
    for option, port in wanted:
        if port == ANY:
            continue
        if port > MAX_PORT:
            raise ConfigurationError(f"{option} needs a port up to {MAX_PORT}, and came to {port}")
        if port in seen:
            raise ConfigurationError(
                f"{seen[port]} and {option} both need port {port}: choose another"
            )
        seen[port] = option
        if not port_is_free(port):
            raise ConfigurationError(
                f"port {port} is in use, by another gnomon up perhaps: stop what listens there, or"
                f" choose another with {option} (0 takes a free one)"
            )


def token_file(data_dir: str) -> Path:
    """Return the file with the token of a gateway that asks for one."""
    return Path(data_dir).absolute() / "gateway.token"


def gateway_token(path: Path) -> str:
    """Return the token that the file has; a file with a random one is made if there is none.

    Raises:
        ConfigurationError: The file cannot be read or is empty, as after a write that failed.
    """
    try:
        if not path.exists():
            write_private(path, f"{secrets.token_urlsafe(TOKEN_BYTES)}\n")
        token = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} cannot be used: {error}") from error
    if not token:
        raise ConfigurationError(
            f"{path} is empty: delete it, and a token is made at the next start"
        )
    return token


def write_gateway_variables(path: Path, *, url: str, token: str, certificate: Path) -> None:
    """Write the shell variables by which OpenTelemetry's exporters reach the gateway."""
    given = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": url,
        "OTEL_EXPORTER_OTLP_HEADERS": f"Authorization={quote(f'Bearer {token}')}",
        "OTEL_EXPORTER_OTLP_CERTIFICATE": str(certificate),
    }
    write_private(path, "".join(f"export {name}='{value}'\n" for name, value in given.items()))


def write_private(path: Path, text: str) -> None:
    """Replace a file at once by one that only its owner can read."""
    path.parent.mkdir(parents=True, exist_ok=True)
    made = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    made.replace(path)


def url_of(port: int, *, secure: bool = False) -> str:
    """Return the URL of a server on this machine."""
    return f"{'https' if secure else 'http'}://{HOST}:{port}"
