"""Access to one SQL database, SQLite or PostgreSQL, and translation of its errors."""

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Final

from sqlalchemy import URL, Connection, Engine, Table, create_engine, event, exc, make_url
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql import ClauseElement

from gnomon.errors import (
    ConfigurationError,
    EventError,
    GnomonError,
    MissingExtraError,
    StoreRefusedError,
    StoreUnavailableError,
)

_DRIVERS: Final = {
    "sqlite": "sqlite",
    "postgres": "postgresql+psycopg",
    "postgresql": "postgresql+psycopg",
    "postgresql+psycopg": "postgresql+psycopg",
}
_BUSY_S: Final = 30
"""How long SQLite waits for another process to finish writing."""

_CHECKPOINT_PAGES: Final = 32_000
"""Size of SQLite's write-ahead log, in pages of 4 KiB, from which on it is copied into the file.

A transaction of 4,000 decisions changes thousands of pages, many of them pages of indexes that the next one changes
again.
"""

_WRITER_CACHE_KIB: Final = 131_072
"""Most memory for pages of a connection that writes; SQLite's default is 2,000.

Ids are random: what does not fit is written in the middle of a transaction, and read again for the next row.
"""

_UNAVAILABLE: Final = (
    exc.OperationalError,
    exc.InterfaceError,
    exc.InternalError,  # for example: PostgreSQL is read-only during a failover
    exc.TimeoutError,
)
_OF_THE_ROW: Final = (exc.DataError, exc.IntegrityError)
_SQLSTATES_OF_THE_ROW: Final = ("22", "23", "54")
"""Classes of PostgreSQL's codes: a value that cannot be stored, a broken constraint, a limit exceeded."""
_REFUSED: Final = (exc.ProgrammingError, exc.NotSupportedError)


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
        self._writer = self._new_writer()

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
            StoreRefusedError: A table or a right is missing.
            EventError: ``store_refused``: a value of a row can never be stored.
            ConfigurationError: The file or server is not a usable database.
        """
        if os.getpid() != self._pid:
            self._leave_parent()
        self._leave_replaced()
        try:
            with self._engine.begin() as connection:
                yield connection
        except OverflowError as error:  # SQLite's integers have 64 bits
            raise EventError("store_refused", str(error)) from error
        except exc.SQLAlchemyError as error:
            raise self._translated(error) from error

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Run the body as ``begin`` does; on SQLite, threads of this process wait for each other before.

        SQLite has one writer at a time. Who finds it locked looks again after up to 0.1 s, so that it would
        often be free while several threads wait for it.

        Raises:
            StoreUnavailableError: As ``begin``, and all its other errors.
        """
        if os.getpid() != self._pid:
            self._leave_parent()
        with self._writer, self.begin() as connection:
            if self.dialect == "sqlite":
                connection.exec_driver_sql(f"PRAGMA cache_size={-_WRITER_CACHE_KIB}")
            yield connection

    def overwrite_deleted(self, connection: Connection) -> None:
        """Have SQLite overwrite what this connection deletes; by default it only marks it as free."""
        if self.dialect == "sqlite":
            connection.exec_driver_sql("PRAGMA secure_delete=ON")

    def erase_old_versions(self, table: Table) -> None:
        """Remove earlier versions of the rows of a small table from the files of the database.

        SQLite copies its write-ahead log into the file and empties it; PostgreSQL writes the table anew.

        Raises:
            StoreUnavailableError: The database does not answer, or somebody uses the table for too long.
            StoreRefusedError: The user is not the table's owner.
        """
        try:
            with self._engine.connect() as connection:
                if self.dialect == "sqlite":
                    connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
                    return
                connection.execution_options(isolation_level="AUTOCOMMIT")
                connection.exec_driver_sql(f"VACUUM FULL {table.name}")
        except exc.SQLAlchemyError as error:
            raise self._translated(error) from error

    def close(self) -> None:
        """Close every connection of this process."""
        self._engine.dispose()

    def _translated(self, error: exc.SQLAlchemyError) -> GnomonError:
        """Return the error by which a caller knows what to do."""
        cause = _cause(error)
        if _is_of_the_row(error):
            return EventError("store_refused", cause)
        if isinstance(error, _UNAVAILABLE):
            return StoreUnavailableError(f"the store {self.name}: {cause}")
        if isinstance(error, _REFUSED):
            return StoreRefusedError(
                f"the store {self.name} refuses a statement: {cause}. Restore the table or the right;"
                " gnomon tries again"
            )
        return ConfigurationError(f"the store {self.name}: {cause}")

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
        self._writer = self._new_writer()

    def _new_writer(self) -> AbstractContextManager[object]:
        return threading.Lock() if self.dialect == "sqlite" else nullcontext()


def _parsed(url: str) -> URL:
    try:
        parsed = make_url(url)
    except (exc.ArgumentError, ValueError):  # the message of either may contain the password
        raise ConfigurationError("GNOMON_STORE_URL is not a database URL") from None
    if parsed.drivername not in _DRIVERS:
        raise ConfigurationError(
            f"GNOMON_STORE_URL: expected sqlite:// or postgresql://, got {parsed.drivername}://"
        )
    if parsed.drivername == "sqlite":
        _require_file(parsed)
    return parsed.set(drivername=_DRIVERS[parsed.drivername])


def _require_file(url: URL) -> None:
    """Refuse what names no file: SQLite would keep the decisions in memory, or take a host for a mistake."""
    if url.host or url.username or url.port:
        raise ConfigurationError(
            "GNOMON_STORE_URL: expected sqlite:///path, got a host: a path has three slashes before it, an"
            " absolute one four"
        )
    if not url.database or url.database == ":memory:" or "\0" in url.database:
        raise ConfigurationError("GNOMON_STORE_URL: expected sqlite:///path, got no file")


def _without_secrets(url: URL) -> str:
    """Return the URL without user, password and options, any of which may be secret."""
    shown = URL.create(url.get_backend_name(), host=url.host, port=url.port, database=url.database)
    return shown.render_as_string()


def _engine(url: URL) -> Engine:
    try:
        return _made_engine(url)
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            "a postgresql:// store", module=str(error.name), extra="postgres"
        ) from error
    except (exc.ArgumentError, ValueError, TypeError):  # the message may contain what was given
        raise ConfigurationError("GNOMON_STORE_URL has an option that cannot be used") from None


def _made_engine(url: URL) -> Engine:
    if url.get_backend_name() == "sqlite":
        # With "named", both drivers accept rows as mappings.
        engine = create_engine(
            url,
            paramstyle="named",
            hide_parameters=True,
            connect_args={"timeout": _BUSY_S},
            # SQLite drops the pages that a connection knows when another one has written.
            pool_use_lifo=True,
        )
        event.listen(engine, "connect", _set_up_sqlite)
        return engine
    return create_engine(url, hide_parameters=True, pool_pre_ping=True)


def insert_into(table: Table, dialect: str) -> sqlite.Insert | postgresql.Insert:
    """Return an INSERT that supports ON CONFLICT on either database."""
    return postgresql.insert(table) if dialect == "postgresql" else sqlite.insert(table)


def _set_up_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    connection.execute("PRAGMA synchronous=FULL")  # a commit survives a power cut
    connection.execute(f"PRAGMA wal_autocheckpoint={_CHECKPOINT_PAGES}")


def _is_of_the_row(error: exc.SQLAlchemyError) -> bool:
    state = getattr(getattr(error, "orig", None), "sqlstate", None)
    if state is not None:
        return str(state).startswith(_SQLSTATES_OF_THE_ROW)
    return isinstance(error, _OF_THE_ROW)


def _cause(error: exc.DBAPIError | exc.SQLAlchemyError) -> str:
    """Return the first line of the driver's message, which names hosts and files, no password."""
    message = str(error.orig if isinstance(error, exc.DBAPIError) else error).strip()
    return message.splitlines()[0] if message else type(error).__name__
