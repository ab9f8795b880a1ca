"""Brings a store to the newest revision, in one transaction."""

import threading
from typing import Final

from sqlalchemy import Connection, text

from gnomon.errors import ConfigurationError
from gnomon.store.migrations.revisions import FOLDER, HEAD, KNOWN, revision_of

_LOCK: Final = 0x676E6F6D6F6E
"""Key of PostgreSQL's advisory lock during an upgrade: ``gnomon`` in ASCII. Earlier releases take the same."""

_ONE_AT_A_TIME: Final = threading.Lock()
"""Alembic keeps the running upgrade in a global variable."""


def require_newest(connection: Connection, *, name: str) -> None:
    """Check that the store ``name`` has the newest revision.

    Raises:
        ConfigurationError: It has another.
    """
    found = revision_of(connection)
    _require_known(found, name=name)
    if found != HEAD:
        raise ConfigurationError(
            f"{name} has tables of an earlier release ({found or 'without a revision'}; this gnomon needs"
            f" {HEAD}): run gnomon vault upgrade, or start the vault worker, which does the same"
        )


def upgrade(connection: Connection, *, name: str) -> bool:
    """Create or change the tables of the store ``name`` to those of the newest revision.

    Must be the first statement of a transaction, which the caller commits. Another process that upgrades
    at the same time waits. Returns whether anything was to be done.

    Raises:
        ConfigurationError: A newer release has made the store.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))
    else:
        connection.exec_driver_sql("BEGIN IMMEDIATE")  # before a statement that only reads
    found = revision_of(connection)
    _require_known(found, name=name)
    if found == HEAD:
        return False
    _run(connection)
    return True


def _require_known(found: str | None, *, name: str) -> None:
    if found is not None and found not in KNOWN:
        raise ConfigurationError(
            f"{name} was made by a newer gnomon (its tables have revision {found}, this one knows up to {HEAD}):"
            " install that release, or set GNOMON_STORE_URL to another store"
        )


def _run(connection: Connection) -> None:
    """Run the revisions that are missing. The caller's transaction is neither committed nor left."""
    from alembic import command  # noqa: PLC0415  only where there is something to do
    from alembic.config import Config  # noqa: PLC0415

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    with _ONE_AT_A_TIME:
        command.upgrade(config, "head")
