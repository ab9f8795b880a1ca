"""The files of a secured broker: its authority, its certificate, its users and what they connect with.

Every file with a secret is readable by its owner alone. The authority's key is not kept, so that nothing
can be signed later: when certificates near their end, all of them are made anew, with a new authority.
"""

import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from gnomon.broker.certificates import Authority, ends_at
from gnomon.broker.probe import HOST
from gnomon.connection import KafkaConnection, KafkaSecurity
from gnomon.contract.access import ROLES

ADMIN: Final = "admin"
NODE: Final = "node"
"""The name in the broker's own certificate, by which it speaks to itself."""
MECHANISM: Final = "SCRAM-SHA-512"
CERTIFICATE_DAYS: Final = 365
RENEWED_BEFORE: Final = timedelta(days=30)
_SETTINGS: Final = {
    "listener.security.protocol.map": "BROKER:SASL_SSL,MUTUAL:SSL,CONTROLLER:SSL",
    "inter.broker.listener.name": "MUTUAL",
    "sasl.enabled.mechanisms": MECHANISM,
    "listener.name.broker.scram-sha-512.sasl.jaas.config": (
        "org.apache.kafka.common.security.scram.ScramLoginModule required;"
    ),
    "listener.name.mutual.ssl.client.auth": "required",
    "listener.name.controller.ssl.client.auth": "required",
    "ssl.keystore.type": "PEM",
    "ssl.truststore.type": "PEM",
    "ssl.principal.mapping.rules": "RULE:^CN=([^,]+)$/$1/,DEFAULT",
    "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    "allow.everyone.if.no.acl.found": "false",
    "super.users": f"User:{ADMIN};User:{NODE}",
}


@dataclass(frozen=True, slots=True)
class SecuredFiles:
    """Paths of the files, all below ``root``."""

    root: Path

    @property
    def authority(self) -> Path:
        """Certificate of the authority, which clients trust."""
        return self.root / "ca.pem"

    @property
    def keystore(self) -> Path:
        """Certificate and key of the broker."""
        return self.root / "node.pem"

    def password(self, user: str) -> Path:
        """File with the password of a user."""
        return self.root / f"{user}.password"

    def client_certificate(self, user: str) -> Path:
        """File with the certificate and key of a user, for mutual TLS."""
        return self.root / f"{user}.pem"

    def variables_file(self, user: str) -> Path:
        """File of shell variables by which a user connects."""
        return self.root / f"{user}.env"

    def make(self, *, now: datetime) -> None:
        """Make what is missing, or ends soon."""
        self.root.mkdir(parents=True, exist_ok=True)
        for user in (ADMIN, *ROLES):
            if not self.password(user).exists():
                _write(self.password(user), f"{secrets.token_urlsafe(24)}\n".encode())
        if not self.keystore.exists() or ends_at(self.keystore.read_bytes()) < now + RENEWED_BEFORE:
            self.make_certificates(now=now, valid=timedelta(days=CERTIFICATE_DAYS))

    def make_certificates(self, *, now: datetime, valid: timedelta) -> None:
        """Make a new authority, and what it signs."""
        authority = Authority.make("gnomon broker", now=now)
        _write(self.authority, authority.pem)
        for name, path in (
            (NODE, self.keystore),
            *((u, self.client_certificate(u)) for u in ROLES),
        ):
            hosts = (HOST, "localhost") if name == NODE else ()
            made = authority.issue(name, now=now, valid=valid, hosts=hosts)
            _write(path, made.key + made.certificate)

    def write_users(self) -> Path:
        """Write what makes the users for Kafka's storage tool: a file, for a command line can be seen.

        Returns:
            The file, to be deleted after use.
        """
        lines = []
        for user in (ADMIN, *ROLES):
            password = self.password(user).read_text(encoding="utf-8").strip()
            lines += ["--add-scram", f"{MECHANISM}=[name={user},password={password}]"]
        path = self.root / "users"
        _write(path, "\n".join(lines).encode())
        return path

    def settings(self, *, port: int, controller_port: int, mutual_port: int) -> Mapping[str, str]:
        """Return the settings of Kafka that differ from those of a broker that lets everyone in."""
        listeners = {"BROKER": port, "MUTUAL": mutual_port, "CONTROLLER": controller_port}
        urls = {name: f"{name}://{HOST}:{number}" for name, number in listeners.items()}
        return {
            "listeners": ",".join(urls.values()),
            "advertised.listeners": f"{urls['BROKER']},{urls['MUTUAL']}",
            **_SETTINGS,
            "ssl.keystore.location": str(self.keystore),
            "ssl.truststore.location": str(self.authority),
        }

    def connection(self, user: str, *, port: int) -> KafkaConnection:
        """Return how a user connects with its password."""
        return KafkaConnection(
            f"{HOST}:{port}",
            KafkaSecurity(
                security_protocol="SASL_SSL",
                sasl_mechanism=MECHANISM,
                sasl_username=user,
                sasl_password_file=str(self.password(user)),
                ssl_cafile=str(self.authority),
            ),
        )

    def mutual_connection(self, user: str, *, port: int) -> KafkaConnection:
        """Return how a user connects with its certificate."""
        return KafkaConnection(
            f"{HOST}:{port}",
            KafkaSecurity(
                security_protocol="SSL",
                ssl_cafile=str(self.authority),
                ssl_certfile=str(self.keystore if user == NODE else self.client_certificate(user)),
            ),
        )

    def write_variables(self, *, port: int) -> None:
        """Write for each user the variables by which it connects."""
        for user in (ADMIN, *ROLES):
            connection = self.connection(user, port=port)
            given = {"GNOMON_BROKERS": connection.brokers, **connection.security.as_environ()}
            lines = [f"export {name}='{value}'" for name, value in given.items()]
            _write(self.variables_file(user), ("\n".join(lines) + "\n").encode())


def _write(path: Path, content: bytes) -> None:
    """Replace a file at once by one that only its owner can read."""
    made = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    made.replace(path)
