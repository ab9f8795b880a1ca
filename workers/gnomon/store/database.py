"""Access to one SQL database, SQLite or PostgreSQL, and translation of its errors."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from sqlalchemy import URL, Connection, Engine, Table, create_engine, event, exc, make_url
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql import ClauseElement

from gnomon.errors import ConfigurationError, MissingExtraError, StoreUnavailableError

_DRIVERS: Final = {
    "sqlite": "sqlite",
    "postgres": "postgresql+psycopg",
    "postgresql": "postgresql+psycopg",
    "postgresql+psycopg": "postgresql+psycopg",
}
_BUSY_S: Final = 30
"""How long SQLite waits for another process to finish writing."""

_CHECKPOINT_PAGES: Final = 8_000
"""Size of SQLite's write-ahead log, in pages of 4 KiB, from which on it is copied into the file.

This is a checkpoint every 32 batches of decisions, where SQLite's default makes one every 4.
"""

_UNAVAILABLE: Final = (
    exc.OperationalError,
    exc.InterfaceError,
    exc.InternalError,  # for example: PostgreSQL is read-only during a failover
    exc.TimeoutError,
)


class Database:
    """Transactions on one database. Thread-safe; a forked child opens connections of its own.

    Args:
        url: ``sqlite:///path`` or ``postgresql://user:password@host/name``.

    Raises:
        ConfigurationError: The URL is malformed or of another kind of database.

    Attributes:
        name: The URL without user, password and options, for messages.
    """

    def __init__(self, url: str) -> None:
        self._url = _parsed(url)
        self.name = _without_secrets(self._url)
        self._engine = _engine(self._url)
        self._file: tuple[int, int] | None = None
        self._pid = os.getpid()

    @property
    def dialect(self) -> str:
        """``sqlite`` or ``postgresql``."""
        return self._engine.dialect.name

    @property
    def path(self) -> Path | None:
        """File of an SQLite database; ``None`` for PostgreSQL."""
        named = self._url.database
        return Path(named) if self.dialect == "sqlite" and named else None

    def compiled(self, statement: ClauseElement) -> str:
        """Return the SQL text of ``statement`` for this database, with named parameters."""
        return str(statement.compile(dialect=self._engine.dialect))

    def make_file(self) -> None:
        """Create the directory and file of an SQLite database, and set write-ahead logging.

        With write-ahead logging (WAL) readers and a writer do not block each other.

        Raises:
            ConfigurationError: The directory cannot be created.
            StoreUnavailableError: The file cannot be created, or stays locked.
        """
        path = Path(str(self._url.database))
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigurationError(f"cannot create {path.parent}: {error.strerror}") from error
        with self.begin() as connection:
            connection.exec_driver_sql("PRAGMA journal_mode=WAL")

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """Run the body in one transaction: committed when it ends, rolled back when it raises.

        Raises:
            StoreUnavailableError: The database cannot be reached or stays locked. The
                message names it without its password.
            ConfigurationError: The file or server is not a usable database.
        """
        if os.getpid() != self._pid:
            self._leave_parent()
        self._leave_replaced()
        try:
            with self._engine.begin() as connection:
                yield connection
        except _UNAVAILABLE as error:
            raise StoreUnavailableError(f"the store {self.name}: {_cause(error)}") from error
        except exc.DatabaseError as error:
            raise ConfigurationError(f"the store {self.name}: {_cause(error)}") from error

    def close(self) -> None:
        """Close every connection of this process."""
        self._engine.dispose()

    def _leave_replaced(self) -> None:
        """Close connections to a file that was replaced: they would write to the deleted one."""
        if self.path is None:
            return
        try:
            found = self.path.stat()
        except OSError:
            file = None
        else:
            file = found.st_dev, found.st_ino
        if self._file is not None and file != self._file:
            self._engine.dispose()
        self._file = file

    def _leave_parent(self) -> None:
        """Neither use nor close connections of the parent process: either would break them."""
        self._inherited = self._engine.pool
        self._engine.dispose(close=False)
        self._pid = os.getpid()


def _parsed(url: str) -> URL:
    try:
        parsed = make_url(url)
    except (exc.ArgumentError, ValueError):  # the message of either may contain the password
        raise ConfigurationError("GNOMON_STORE_URL is not a database URL") from None
    if parsed.drivername not in _DRIVERS:
        raise ConfigurationError(
            f"GNOMON_STORE_URL: expected sqlite:// or postgresql://, got {parsed.drivername}://"
        )
    return parsed.set(drivername=_DRIVERS[parsed.drivername])


def _without_secrets(url: URL) -> str:
    """Return the URL without user, password and options, any of which may be secret."""
    shown = URL.create(url.get_backend_name(), host=url.host, port=url.port, database=url.database)
    return shown.render_as_string()


def _engine(url: URL) -> Engine:
    if url.get_backend_name() == "sqlite":
        # With "named", both drivers accept rows as mappings.
        engine = create_engine(
            url, paramstyle="named", hide_parameters=True, connect_args={"timeout": _BUSY_S}
        )
        event.listen(engine, "connect", _set_up_sqlite)
        return engine
    try:
        return create_engine(url, hide_parameters=True, pool_pre_ping=True)
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            "a postgresql:// store", module=str(error.name), extra="postgres"
        ) from error


def insert_into(table: Table, dialect: str) -> sqlite.Insert | postgresql.Insert:
    """Return an INSERT that supports ON CONFLICT on either database."""
    return postgresql.insert(table) if dialect == "postgresql" else sqlite.insert(table)


def _set_up_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    connection.execute("PRAGMA synchronous=FULL")  # a commit survives a power cut
    connection.execute(f"PRAGMA wal_autocheckpoint={_CHECKPOINT_PAGES}")


def _cause(error: exc.DBAPIError | exc.SQLAlchemyError) -> str:
    """Return the first line of the driver's message, which names hosts and files, no password."""
    message = str(error.orig if isinstance(error, exc.DBAPIError) else error).strip()
    return message.splitlines()[0] if message else type(error).__name__
