"""Named values of the store (schema version and canary), and creation of its tables."""

from typing import Final

from sqlalchemy import Connection, select, update

from gnomon.errors import ConfigurationError
from gnomon.store import migrations
from gnomon.store.database import Database, insert_into
from gnomon.store.migrations import HEAD
from gnomon.store.schema import META

SCHEMA_VERSION: Final = "schema_version"
"""Release 0.1.0 compares this value alone, so it is the number of the revision and that release refuses more."""
CANARY: Final = "canary"
INDEX_KEY: Final = "index_key."
"""Followed by a scope: the name of the value that says which key hashes its ids."""

_OF_RELEASE_0_1_0: Final = b"1"


def read_value(connection: Connection, name: str) -> bytes | None:
    """Return the value called ``name``, or ``None``."""
    return connection.execute(select(META.c.value).where(META.c.name == name)).scalar_one_or_none()


def put_if_absent(connection: Connection, name: str, value: bytes) -> None:
    """Store ``value`` unless there is already a value of that name."""
    insert = insert_into(META, connection.dialect.name)
    connection.execute(insert.on_conflict_do_nothing(), {"name": name, "value": value})


def put(connection: Connection, name: str, value: bytes) -> None:
    """Store ``value``, in place of another value of that name."""
    insert = insert_into(META, connection.dialect.name)
    replace = insert.on_conflict_do_update(
        index_elements=[META.c.name], set_={"value": insert.excluded["value"]}
    )
    connection.execute(replace, {"name": name, "value": value})


def replace(connection: Connection, name: str, value: bytes, *, instead_of: bytes) -> bool:
    """Store ``value`` if the value of that name is ``instead_of``; return whether it was."""
    change = update(META).where(META.c.name == name, META.c.value == instead_of)
    return connection.execute(change.values(value=value)).rowcount == 1


def install(database: Database) -> bool:
    """Create the tables, or upgrade those of an earlier release. Two processes may do so at once.

    Returns:
        Whether anything was to be done.

    Raises:
        ConfigurationError: The tables are of a newer release.
    """
    if database.path is not None:
        database.make_file()
    with database.begin() as connection:
        if migrations.revision_of(connection) == HEAD:
            return False
        _compare_version(connection, database.name)
    with database.begin() as connection:
        is_changed = migrations.upgrade(connection, name=database.name)
        put(connection, SCHEMA_VERSION, b"%d" % int(HEAD))
    return is_changed


def is_installed(database: Database) -> bool:
    """Return whether the tables exist. This creates nothing, not even an empty file."""
    if database.path is not None and not database.path.exists():
        return False
    with database.begin() as connection:
        return connection.dialect.has_table(connection, META.name)


def require_installed(database: Database) -> None:
    """Check that the tables exist; change nothing.

    Raises:
        ConfigurationError: There are no tables, or tables of another release.
    """
    if not is_installed(database):
        raise ConfigurationError(
            f"no decisions in {database.name} yet: run gnomon worker vault, or set GNOMON_STORE_URL"
        )
    with database.begin() as connection:
        _compare_version(connection, database.name)
        migrations.require_newest(connection, name=database.name)


def _compare_version(connection: Connection, name: str) -> None:
    """Check that a store without a revision is empty or of release 0.1.0.

    Raises:
        ConfigurationError: It is neither.
    """
    if migrations.revision_of(connection) is not None:
        return
    if not connection.dialect.has_table(connection, META.name):
        return
    found = read_value(connection, SCHEMA_VERSION)
    is_upgraded = (
        migrations.revision_of(connection) is not None
    )  # since the first look, by another process
    if found not in {None, _OF_RELEASE_0_1_0} and not is_upgraded:
        version = found.decode(errors="replace") if found else ""
        raise ConfigurationError(
            f"{name} has schema version {version} and no revision, which no release of gnomon makes:"
            " restore it from a backup, or set GNOMON_STORE_URL to another store"
        )
