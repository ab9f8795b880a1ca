"""Named values of the store itself: its schema version, and the canary."""

from typing import Final

from sqlalchemy import Connection, select, text
from sqlalchemy.schema import CreateIndex, CreateTable

from gnomon.errors import ConfigurationError
from gnomon.store.database import Database, insert_into
from gnomon.store.schema import META, METADATA, VERSION

SCHEMA_VERSION: Final = "schema_version"
CANARY: Final = "canary"

_INSTALL_LOCK: Final = 0x676E6F6D6F6E
"""PostgreSQL's advisory lock while tables are made: ``gnomon`` in ASCII."""


def read_value(connection: Connection, name: str) -> bytes | None:
    """The value called ``name``, or ``None``."""
    return connection.execute(select(META.c.value).where(META.c.name == name)).scalar_one_or_none()


def put_if_absent(connection: Connection, name: str, value: bytes) -> None:
    """Store ``value`` unless there is one of that name."""
    insert = insert_into(META, connection.dialect.name)
    connection.execute(insert.on_conflict_do_nothing(), {"name": name, "value": value})


def install(database: Database) -> None:
    """Make the tables where they are not there yet. Two processes may do it at once.

    Raises:
        ConfigurationError: There are tables of another version.
    """
    if database.path is not None:
        database.make_file()
    with database.begin() as connection:
        if database.dialect == "postgresql":
            connection.execute(text(f"SELECT pg_advisory_xact_lock({_INSTALL_LOCK})"))
        connection.execute(CreateTable(META, if_not_exists=True))
        put_if_absent(connection, SCHEMA_VERSION, b"%d" % VERSION)
        _compare_version(connection, database.name)
        for table in METADATA.sorted_tables:
            connection.execute(CreateTable(table, if_not_exists=True))
            for index in table.indexes:
                connection.execute(CreateIndex(index, if_not_exists=True))


def is_installed(database: Database) -> bool:
    """Whether the tables are there. It makes nothing, not even an empty file."""
    if database.path is not None and not database.path.exists():
        return False
    with database.begin() as connection:
        return connection.dialect.has_table(connection, META.name)


def require_installed(database: Database) -> None:
    """Make sure that the tables are there, and change nothing.

    Raises:
        ConfigurationError: There are none, or they are of another version.
    """
    if not is_installed(database):
        raise ConfigurationError(
            f"no decisions in {database.name} yet: run gnomon worker vault, or set GNOMON_STORE_URL"
        )
    with database.begin() as connection:
        _compare_version(connection, database.name)


def _compare_version(connection: Connection, name: str) -> None:
    found = read_value(connection, SCHEMA_VERSION)
    if found != b"%d" % VERSION:
        said = "none" if found is None else found.decode(errors="replace")
        raise ConfigurationError(
            f"{name} has schema version {said}, this gnomon needs {VERSION}:"
            " run the gnomon that made it, or set GNOMON_STORE_URL to another store"
        )
