"""Bare inserts of the rows that a stage has stored, by the same driver into the same empty tables.

``executemany`` on SQLite, ``COPY`` on PostgreSQL; a transaction for each ``AT_ONCE`` decisions, each on disk when
it is committed.
"""

import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from typing import Any, Final, NamedTuple

import psycopg
from sqlalchemy import BigInteger, Boolean, Double, LargeBinary, String, Table

from gnomon.store import DecisionStore
from gnomon.store.figures.months import MonthPartitions
from gnomon.store.figures.tables import PREDICTIONS, TASKS
from gnomon.store.schema import DECISIONS

AT_ONCE: Final = 2_000
_TYPES: Final = {
    BigInteger: "int8",
    Boolean: "bool",
    Double: "float8",
    LargeBinary: "bytea",
    String: "text",
}
Rows = Sequence[tuple[Table, Sequence[Sequence[Any]]]]
"""Rows of some decisions, by table."""


class Floor(NamedTuple):
    """Decisions a second, and the processor time of one in microseconds, without that of a server."""

    per_s: float
    cpu_us: float


class Floors(NamedTuple):
    """With all rows of a decision, and with its sealed row alone."""

    rows: Floor
    sealed: Floor


def floors_of(url: str, for_sealed: str, for_all: str) -> Floors:
    """Read the rows of a store, and write them into two empty databases."""
    with closing(DecisionStore(url)) as store:
        sealed = list(_parts(store, (DECISIONS,)))
        every = list(_parts(store, (DECISIONS, TASKS, PREDICTIONS)))
    return Floors(_floor(for_all, every), _floor(for_sealed, sealed))


def _parts(store: DecisionStore, tables: Sequence[Table]) -> Iterator[Rows]:
    """Yield all rows, those of ``AT_ONCE`` decisions at once."""
    rows: dict[Table, list[Sequence[Any]]] = {}
    with store.database.begin() as connection:
        for table in tables:
            query = table.select().order_by(table.c.ended_at_ms, table.c.decision_id)
            rows[table] = [tuple(row) for row in connection.execute(query)]
    ids = [row[0] for row in rows[DECISIONS]]
    ends = dict.fromkeys(tables, 0)
    for at in range(0, len(ids), AT_ONCE):
        wanted, part = {*ids[at : at + AT_ONCE]}, []
        for table in tables:
            name = list(table.c).index(table.c.decision_id)
            begin = ends[table]
            while ends[table] < len(rows[table]) and rows[table][ends[table]][name] in wanted:
                ends[table] += 1
            part.append((table, rows[table][begin : ends[table]]))
        yield part


def _floor(url: str, parts: Sequence[Rows]) -> Floor:
    with closing(DecisionStore(url)) as store:
        store.create()
        ends = {
            row[3] for part in parts for table, rows in part if table is DECISIONS for row in rows
        }
        MonthPartitions(store.database).ensure(ends)
    write: Callable[[str, Sequence[Rows]], None]
    write = _copy if url.startswith("postgresql") else _executemany
    began_s, cpu_s = time.perf_counter(), time.process_time()
    write(url, parts)
    spent_s, spent_cpu_s = time.perf_counter() - began_s, time.process_time() - cpu_s
    decisions = sum(len(part[0][1]) for part in parts)
    return Floor(decisions / spent_s, spent_cpu_s / decisions * 1e6)


def _executemany(url: str, parts: Sequence[Rows]) -> None:
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection:
        connection.execute("PRAGMA synchronous=FULL")
        for part in parts:
            with connection:
                for table, rows in part:
                    marks = ",".join("?" * len(table.c))
                    connection.executemany(f"INSERT INTO {table.name} VALUES ({marks})", rows)


def _copy(url: str, parts: Sequence[Rows]) -> None:
    with psycopg.connect(url) as connection:
        for part in parts:
            for table, rows in part:
                statement: Any = f"COPY {table.name} FROM STDIN (FORMAT BINARY)"
                with connection.cursor().copy(statement) as copy:
                    copy.set_types([_TYPES[type(column.type)] for column in table.c])
                    for row in rows:
                        copy.write_row(row)
            connection.commit()
