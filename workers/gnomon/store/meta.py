"""Named values of the store (schema version and canary), and creation of its tables."""

from typing import Final

from sqlalchemy import Connection, select, text
from sqlalchemy.schema import CreateIndex, CreateTable

from gnomon.errors import ConfigurationError
from gnomon.store.database import Database, insert_into
from gnomon.store.schema import META, METADATA, VERSION

SCHEMA_VERSION: Final = "schema_version"
CANARY: Final = "canary"

_INSTALL_LOCK: Final = 0x676E6F6D6F6E
"""Key of PostgreSQL's advisory lock during the creation of tables: ``gnomon`` in ASCII."""


def read_value(connection: Connection, name: str) -> bytes | None:
    """Return the value called ``name``, or ``None``."""
    return connection.execute(select(META.c.value).where(META.c.name == name)).scalar_one_or_none()


def put_if_absent(connection: Connection, name: str, value: bytes) -> None:
    """Store ``value`` unless there is already a value of that name."""
    insert = insert_into(META, connection.dialect.name)
    connection.execute(insert.on_conflict_do_nothing(), {"name": name, "value": value})


def install(database: Database) -> None:
    """Create the tables that are missing. Two processes may do so at once.

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
    """Return whether the tables exist. This creates nothing, not even an empty file."""
    if database.path is not None and not database.path.exists():
        return False
    with database.begin() as connection:
        return connection.dialect.has_table(connection, META.name)


def require_installed(database: Database) -> None:
    """Check that the tables exist; change nothing.

    Raises:
        ConfigurationError: There are no tables, or tables of another version.
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
        version = "none" if found is None else found.decode(errors="replace")
        raise ConfigurationError(
            f"{name} has schema version {version}, this gnomon needs {VERSION}:"
            " run the gnomon that created it, or set GNOMON_STORE_URL to another store"
        )
