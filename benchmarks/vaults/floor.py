"""Bare inserts of the rows that a stage has stored, by the same driver into the same empty tables.

``executemany`` on SQLite, ``COPY`` on PostgreSQL; a transaction for each ``AT_ONCE`` decisions, each on disk when
it is committed. They are repeated, into other empty tables, until they have taken long enough to be steady.
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
from gnomon.store.roots.tables import ROOTS
from gnomon.store.schema import DECISIONS

AT_ONCE: Final = 2_000
LEAST_S: Final = 10.0
"""For so long rows are written at least."""
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
    """Decisions a second, the processor time of one in microseconds for client and server, and how long it took."""

    per_s: float
    cpu_us: float
    server_us: float
    span_s: float


class Floors(NamedTuple):
    """With all rows of a decision, and with its sealed row alone."""

    rows: Floor
    sealed: Floor


def floors_of(
    url: str, new_database: Callable[[], str], server_cpu_s: Callable[[], float]
) -> Floors:
    """Read the rows of a store, and write them into empty databases, as ``new_database`` names them."""
    with closing(DecisionStore(url)) as store:
        every = list(_parts(store, (DECISIONS, TASKS, PREDICTIONS)))
        _add_roots(store, every)
    sealed = [part[:1] for part in every]
    return Floors(*(_floor(new_database, parts, server_cpu_s) for parts in (every, sealed)))


def _add_roots(store: DecisionStore, parts: list[Rows]) -> None:
    """Add the rows of the trees to those of the decisions, some to each transaction."""
    with store.database.begin() as connection:
        rows = [tuple(row) for row in connection.execute(ROOTS.select())]
    for at, part in enumerate(parts):
        begin, end = (len(rows) * each // len(parts) for each in (at, at + 1))
        parts[at] = [*part, (ROOTS, rows[begin:end])]


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


def _floor(
    new_database: Callable[[], str], parts: Sequence[Rows], server_cpu_s: Callable[[], float]
) -> Floor:
    spent_s = spent_cpu_s = server_s = 0.0
    decisions = 0
    while spent_s < LEAST_S:
        url = new_database()
        _make_tables(url, parts)
        write = _copy if url.startswith("postgresql") else _executemany
        began_server_s = server_cpu_s()
        began_s, cpu_s = time.perf_counter(), time.process_time()
        write(url, parts)
        spent_s += time.perf_counter() - began_s
        spent_cpu_s += time.process_time() - cpu_s
        server_s += server_cpu_s() - began_server_s
        decisions += sum(len(part[0][1]) for part in parts)
    us = 1e6 / decisions
    return Floor(decisions / spent_s, spent_cpu_s * us, server_s * us, spent_s)


def _make_tables(url: str, parts: Sequence[Rows]) -> None:
    with closing(DecisionStore(url)) as store:
        store.create()
        ends = {row[3] for part in parts for row in part[0][1]}  # the first are the sealed rows
        MonthPartitions(store.database).ensure(ends)


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
