"""One SQL database, SQLite or PostgreSQL: how it is reached, and what its failures mean."""

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
"""Pages of 4 KiB in SQLite's log before it is folded back: 32 batches of decisions, not 4."""

_UNAVAILABLE: Final = (
    exc.OperationalError,
    exc.InterfaceError,
    exc.InternalError,  # such as a PostgreSQL that is read-only while another takes over
    exc.TimeoutError,
)


class Database:
    """Transactions on one database. Safe in threads and, each with its own connections, in forks.

    Args:
        url: ``sqlite:///path`` or ``postgresql://user:password@host/name``.

    Raises:
        ConfigurationError: The URL is malformed or of another kind of database.
    """

    def __init__(self, url: str) -> None:
        self._url = _parsed(url)
        self.name = _spoken(self._url)
        self._engine = _engine(self._url)
        self._pid = os.getpid()

    @property
    def dialect(self) -> str:
        """``sqlite`` or ``postgresql``."""
        return self._engine.dialect.name

    @property
    def path(self) -> Path | None:
        """The file of an SQLite database."""
        named = self._url.database
        return Path(named) if self.dialect == "sqlite" and named else None

    def compiled(self, statement: ClauseElement) -> str:
        """``statement`` in the words of this database's driver, with named parameters."""
        return str(statement.compile(dialect=self._engine.dialect))

    def make_file(self) -> None:
        """Make an SQLite database's file and its directory, and let readers and a writer share it.

        Raises:
            ConfigurationError: The directory cannot be made.
            StoreUnavailableError: The file cannot be made, or stays locked.
        """
        path = Path(str(self._url.database))
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigurationError(f"cannot make {path.parent}: {error.strerror}") from error
        with self.begin() as connection:
            connection.exec_driver_sql("PRAGMA journal_mode=WAL")

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """One transaction: committed when the body ends, undone when it raises.

        Raises:
            StoreUnavailableError: The database cannot be reached or stays locked. The
                message names it without its password.
            ConfigurationError: What is there is no database that can be used.
        """
        if os.getpid() != self._pid:
            self._leave_parent()
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

    def _leave_parent(self) -> None:
        """Use no connection of the parent's, and do not close one either: both would break it."""
        self._inherited = self._engine.pool
        self._engine.dispose(close=False)
        self._pid = os.getpid()


def _parsed(url: str) -> URL:
    try:
        parsed = make_url(url)
    except (exc.ArgumentError, ValueError):  # the text of either may hold the password
        raise ConfigurationError("GNOMON_STORE_URL is not a database URL") from None
    if parsed.drivername not in _DRIVERS:
        raise ConfigurationError(
            f"GNOMON_STORE_URL: {parsed.drivername}:// is not known, sqlite:// and postgresql:// are"
        )
    return parsed.set(drivername=_DRIVERS[parsed.drivername])


def _spoken(url: URL) -> str:
    """The URL for a message: without user, password or options, any of which may be secret."""
    shown = URL.create(url.get_backend_name(), host=url.host, port=url.port, database=url.database)
    return shown.render_as_string()


def _engine(url: URL) -> Engine:
    if url.get_backend_name() == "sqlite":
        # "named" makes both drivers take rows as mappings.
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
    """An INSERT that can say ON CONFLICT, in the same way on both."""
    return postgresql.insert(table) if dialect == "postgresql" else sqlite.insert(table)


def _set_up_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    connection.execute("PRAGMA synchronous=FULL")  # a commit is on disk, also after a power cut
    connection.execute(f"PRAGMA wal_autocheckpoint={_CHECKPOINT_PAGES}")


def _cause(error: exc.DBAPIError | exc.SQLAlchemyError) -> str:
    """What the driver says, in one line: it names hosts and files, never a password."""
    said = str(error.orig if isinstance(error, exc.DBAPIError) else error).strip()
    return said.splitlines()[0] if said else type(error).__name__
