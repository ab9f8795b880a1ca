"""Writes many rows of one table at once: ``COPY`` and one upsert on PostgreSQL, many rows a statement on SQLite."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from itertools import chain, islice
from typing import Any, Final

from sqlalchemy import BigInteger, Boolean, Connection, Double, LargeBinary, String, Table, exc
from sqlalchemy.types import TypeEngine

from gnomon.compiled import load
from gnomon.store.database import Database

_TYPES: Final[dict[type[TypeEngine[Any]], tuple[str, bytes]]] = {
    BigInteger: ("int8", b"i"),
    Boolean: ("bool", b"?"),
    Double: ("float8", b"d"),
    LargeBinary: ("bytea", b"b"),
    String: ("text", b"s"),
}
"""PostgreSQL's type of a column, and its kind in the compiled writer of rows."""
_copy_rows: Final[Any] = load("gnomon.store.compiled.copy_rows")
_PACKED_AT_ONCE: Final = 250
"""Rows that are packed before the server gets them, so that it stores some while others are packed."""

_MOST_VALUES: Final = 8_000
"""Of one statement on SQLite. It has plans for 1, 2, 4, … rows up to this many values, and keeps them.

The driver lets other threads run during a statement, and then waits for its turn to go on. With one statement a
row, it did so for each of them.
"""

Rows = Sequence[Sequence[object]]


class BulkUpsert:
    """Inserts rows, or puts them in the place of those with the same primary key.

    Args:
        database: The database.
        table: The table.
    """

    def __init__(self, database: Database, table: Table) -> None:
        columns = [column.name for column in table.columns]
        keys = [column.name for column in table.primary_key.columns]
        names, conflict = ", ".join(columns), ", ".join(keys)
        others = [f"{name} = excluded.{name}" for name in columns if name not in keys]
        target = f"INSERT INTO {table.name} ({names})"
        replace = f"ON CONFLICT ({conflict}) DO UPDATE SET {', '.join(others)}"
        self._copies = database.dialect == "postgresql"
        types = [_TYPES[type(column.type)] for column in table.columns]
        self._types, self._kinds = [name for name, _ in types], b"".join(kind for _, kind in types)
        if self._copies:
            waiting = f"{table.name}_copied"
            self._prepare = (
                f"CREATE TEMPORARY TABLE IF NOT EXISTS {waiting} (LIKE {table.name})"
                " ON COMMIT DELETE ROWS"
            )
            self._copy = f"COPY {waiting} ({names}) FROM STDIN (FORMAT BINARY)"
            self._copy_here = f"COPY {table.name} ({names}) FROM STDIN (FORMAT BINARY)"
            # All writers use the same order, so that two with the same rows cannot deadlock.
            select = f"SELECT {names} FROM {waiting} ORDER BY {conflict}"  # noqa: S608  our own names
            self._insert = f"{target} {select} {replace}"
        else:
            row = f"({', '.join('?' * len(columns))})"
            doublings = (_most_values() // len(columns)).bit_length() - 1
            sizes = [1 << doubling for doubling in reversed(range(doublings + 1))]
            self._fresh = [(n, f"{target} VALUES {', '.join([row] * n)}") for n in sizes]
            self._replacing = [(n, f"{insert} {replace}") for n, insert in self._fresh]

    def write(self, connection: Connection, rows: Rows, *, fresh: bool = False) -> None:
        """Write ``rows``, in the order of the table's columns; once in a transaction, and each key once.

        Args:
            connection: In a transaction.
            rows: The rows.
            fresh: No row with one of the keys is expected. This is faster, and fails if there is one.

        Raises:
            SQLAlchemyError: Nothing was written.
        """
        if not rows:
            return
        if not self._copies:
            self._insert_rows(connection, rows, self._fresh if fresh else self._replacing)
            return
        raw: Any = connection.connection.driver_connection
        driver: Any = connection.dialect.dbapi
        try:
            with raw.cursor() as cursor:
                if fresh:
                    self._fill(cursor, self._copy_here, rows)
                else:
                    cursor.execute(self._prepare)
                    self._fill(cursor, self._copy, rows)
                    cursor.execute(self._insert)
        except driver.Error as error:
            raise _wrapped(connection, error) from error

    def _insert_rows(
        self, connection: Connection, rows: Rows, statements: Sequence[tuple[int, str]]
    ) -> None:
        at = 0
        for size, statement in statements:  # the largest first
            while len(rows) - at >= size:
                values = tuple(chain.from_iterable(rows[at : at + size]))
                connection.exec_driver_sql(statement, values)
                at += size

    def _fill(self, cursor: Any, statement: str, rows: Rows) -> None:
        with cursor.copy(statement) as copy:
            if _copy_rows is None:
                copy.set_types(self._types)
                for row in rows:
                    copy.write_row(row)
                return
            copy.write(_copy_rows.HEAD)
            left = iter(rows)
            while part := list(islice(left, _PACKED_AT_ONCE)):
                copy.write(_copy_rows.packed_rows(self._kinds, part))
            copy.write(_copy_rows.TRAILER)


def _most_values() -> int:
    with closing(sqlite3.connect(":memory:")) as connection:
        return min(_MOST_VALUES, connection.getlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER))


def _wrapped(connection: Connection, error: Any) -> exc.SQLAlchemyError:
    """Return the driver's error as SQLAlchemy's, as for every other statement."""
    dialect: Any = connection.dialect
    lost = dialect.is_disconnect(error, connection.connection, None)
    if lost:
        connection.invalidate(error)
    wrapped = exc.DBAPIError.instance(
        "COPY",
        None,
        error,
        dialect.dbapi.Error,
        hide_parameters=True,
        connection_invalidated=lost,
        dialect=dialect,
    )
    return (
        wrapped
        if isinstance(wrapped, exc.SQLAlchemyError)
        else exc.InterfaceError("COPY", None, error)
    )
