"""Writes many rows of one table at once: ``COPY`` and one upsert on PostgreSQL, many rows a statement on SQLite."""

from collections.abc import Sequence
from itertools import chain
from typing import Any, Final

from sqlalchemy import BigInteger, Boolean, Connection, Double, LargeBinary, String, Table, exc
from sqlalchemy.types import TypeEngine

from gnomon.store.database import Database

_TYPES: Final[dict[type[TypeEngine[Any]], str]] = {
    BigInteger: "int8",
    Boolean: "bool",
    Double: "float8",
    LargeBinary: "bytea",
    String: "text",
}

_MOST_VALUES: Final = 990
"""Of one statement on SQLite; an older one takes at most 999.

The driver lets other threads run between two statements, and may then wait for its turn to go on. With one
statement a row, it did so for each of them.
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
        self._types = [_TYPES[type(column.type)] for column in table.columns]
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
            self._at_once = _MOST_VALUES // len(columns)
            self._insert_many = f"{target} VALUES {', '.join([row] * self._at_once)} {replace}"
            self._insert = f"{target} VALUES {row} {replace}"

    def write(self, connection: Connection, rows: Rows, *, fresh: bool = False) -> None:
        """Write ``rows``, in the order of the table's columns; once in a transaction, and each key once.

        Args:
            connection: In a transaction.
            rows: The rows.
            fresh: No row with one of the keys was there a moment ago. This is faster, and fails if
                another process has stored one since.

        Raises:
            SQLAlchemyError: Nothing was written.
        """
        if not rows:
            return
        if not self._copies:
            self._insert_rows(connection, rows)
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

    def _insert_rows(self, connection: Connection, rows: Rows) -> None:
        rest = len(rows) % self._at_once
        for at in range(0, len(rows) - rest, self._at_once):
            values = tuple(chain.from_iterable(rows[at : at + self._at_once]))
            connection.exec_driver_sql(self._insert_many, values)
        if rest:
            connection.exec_driver_sql(self._insert, [tuple(row) for row in rows[-rest:]])

    def _fill(self, cursor: Any, statement: str, rows: Rows) -> None:
        with cursor.copy(statement) as copy:
            copy.set_types(self._types)
            for row in rows:
                copy.write_row(row)


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
