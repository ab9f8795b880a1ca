"""Writes what a Kafka node reads before it runs: its settings, and its empty data directory."""

import subprocess
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from gnomon.broker.node import Node
from gnomon.broker.probe import free_ports
from gnomon.broker.secured import SecuredFiles

_FORMAT_S: Final = 60


def write_settings(
    node: Node, secured: SecuredFiles | None, *, port: int, further: Mapping[str, str]
) -> int:
    """Write the settings file, and what makes the node secure.

    Args:
        node: Whose files.
        secured: Certificates and passwords, or ``None``.
        port: Where clients connect to.
        further: Settings that replace others.

    Returns:
        The port for those who connect with a certificate.
    """
    controller_port, mutual_port = free_ports(2)
    security: Mapping[str, str] | None = None
    if secured is not None:
        secured.make(now=datetime.now(UTC))  # noqa: TID251  of certificates
        secured.write_variables(port=port)
        security = secured.settings(
            port=port, controller_port=controller_port, mutual_port=mutual_port
        )
    text = node.settings(
        port=port, controller_port=controller_port, security=security, further=further
    )
    node.settings_file.write_text(text, encoding="utf-8")
    return mutual_port


def format_data(
    node: Node, secured: SecuredFiles | None, java: Path, jars: Sequence[Path], *, console: Path
) -> bool:
    """Write a new cluster id, and users, into the data directory; return whether that went well."""
    users_file = None if secured is None else secured.write_users()
    with console.open("wb") as output:
        done = subprocess.run(  # noqa: S603  Java as the user set it
            node.format_command(java, jars, users_file=users_file),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            check=False,
            timeout=_FORMAT_S,
        )
    if users_file is not None:
        users_file.unlink()
    return done.returncode == 0
