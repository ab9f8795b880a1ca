"""Reads trees and the rows that they cover, as they were at one moment."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, cast

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    LargeBinary,
    bindparam,
    func,
    select,
    text,
    tuple_,
)
from sqlalchemy import cast as sql_cast

from gnomon.events import SealedDecision
from gnomon.store.database import Database
from gnomon.store.roots.tables import HEADS, ROOTS
from gnomon.store.schema import DECISIONS
from gnomon.vault.tamper import HOUR_MS, Head, HourRoot, RecordList

_ROW: Final = tuple(DECISIONS.c[name] for name in SealedDecision.__struct_fields__)
_BARE: Final = tuple(column for column in ROOTS.c if column.name not in {"hashes", "ids"})
Columns = Sequence[ColumnElement[Any]]
IDS_AT_ONCE: Final = 500
"""Most rows of one look-up."""


@dataclass(frozen=True, slots=True)
class StoredHead:
    """The head of a partition, and its seal."""

    head: Head
    seal: bytes


@dataclass(frozen=True, slots=True)
class StoredList:
    """One row of the trees.

    Attributes:
        root: The statement that is beside the list.
        seal: The seal of that statement.
        leaf: Hash of the list.
        listed: The list itself; ``None`` if retention has removed the records.
        position: Number of records before it, as stored.
    """

    root: HourRoot
    seal: bytes
    leaf: bytes
    position: int
    listed: RecordList | None


class RootReader:
    """Reads what a verifier needs.

    Args:
        database: Of the store.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        dialect = database.dialect
        self._row, self._id = _typed(_ROW, dialect), _typed([DECISIONS.c.decision_id], dialect)
        self._listed, self._bare = _typed(tuple(ROOTS.c), dialect), _typed(_BARE, dialect)
        self._head = _typed(tuple(HEADS.c), dialect)
        wanted = DECISIONS.c.decision_id.in_(bindparam("ids", expanding=True))
        self._by_id = select(*self._row).where(wanted)

    @contextmanager
    def moment(self) -> Iterator[Connection]:
        """Run the body on one state of the store, whatever is written meanwhile.

        Raises:
            StoreUnavailableError: The database does not answer.
        """
        with self._database.begin() as connection:
            if self._database.dialect == "postgresql":
                connection.execute(
                    text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
                )
            else:
                connection.exec_driver_sql("BEGIN")
            yield connection

    def heads(self, connection: Connection) -> list[StoredHead]:
        """Return the heads of all partitions."""
        return [
            stored_head(row)
            for row in connection.execute(select(*self._head).order_by(HEADS.c.partition))
        ]

    def newest_roots(self, connection: Connection) -> Iterator[StoredList]:
        """Yield the last row of the tree of each partition and hour, without its list."""
        last = (
            select(ROOTS.c.hour, ROOTS.c.partition, func.max(ROOTS.c.number).label("number"))
            .group_by(ROOTS.c.hour, ROOTS.c.partition)
            .subquery()
        )
        joined = ROOTS.join(
            last,
            (ROOTS.c.hour == last.c.hour)
            & (ROOTS.c.partition == last.c.partition)
            & (ROOTS.c.number == last.c.number),
        )
        query = select(*self._bare).select_from(joined).order_by(ROOTS.c.partition, ROOTS.c.hour)
        for row in connection.execute(query):
            yield _stored(row, None)

    def rows_by_hour(self, connection: Connection) -> dict[int, int]:
        """Return the number of decisions by the hour of their end."""
        hour = (DECISIONS.c.ended_at_ms // HOUR_MS).label("hour")
        query = select(hour, func.count()).group_by(hour)
        return {int(row[0]): row[1] for row in connection.execute(query)}

    def lists(
        self, connection: Connection, hour: int, partition: int | None = None
    ) -> Iterator[StoredList]:
        """Yield the rows of an hour's trees with their lists, by partition and in order."""
        query = select(*self._listed).where(ROOTS.c.hour == hour)
        if partition is not None:
            query = query.where(ROOTS.c.partition == partition)
        query = query.order_by(ROOTS.c.partition, ROOTS.c.number)
        found = connection.execution_options(yield_per=100).execute(query)
        for row in found:
            yield _stored(row, _listed(row))

    def rows(self, connection: Connection, ids: Sequence[str]) -> Mapping[str, SealedDecision]:
        """Return those decisions that are stored, by id; of at most ``IDS_AT_ONCE`` ids."""
        found = map(_decision, connection.execute(self._by_id, {"ids": list(ids)}))
        return {row.decision_id: row for row in found}

    def rows_of(self, ids: Sequence[str]) -> dict[str, SealedDecision]:
        """Return those decisions that are stored now, by id; of any number of ids."""
        found: dict[str, SealedDecision] = {}
        with self._database.begin() as connection:
            for at in range(0, len(ids), IDS_AT_ONCE):
                found |= self.rows(connection, ids[at : at + IDS_AT_ONCE])
        return found

    def ids_of_hour(self, connection: Connection, hour: int) -> Iterator[str]:
        """Yield the ids of all decisions that ended in an hour."""
        query = select(*self._id).where(
            DECISIONS.c.ended_at_ms >= hour * HOUR_MS,
            DECISIONS.c.ended_at_ms < (hour + 1) * HOUR_MS,
        )
        for row in connection.execution_options(yield_per=5_000).execute(query):
            yield _text(row[0])


def bare_rows(connection: Connection, partition: int, hour: int) -> list[StoredList]:
    """Return the rows of one tree in order, without their lists."""
    query = select(*_BARE).where(ROOTS.c.hour == hour, ROOTS.c.partition == partition)
    return [_stored(row, None) for row in connection.execute(query.order_by(ROOTS.c.number))]


def every_row(connection: Connection, *, at_once: int) -> Iterator[list[SealedDecision]]:
    """Yield all decisions in the order of their ends and ids, some at once."""
    order = (DECISIONS.c.ended_at_ms, DECISIONS.c.decision_id)
    query = select(*_ROW).order_by(*order).limit(at_once)
    page = [_decision(row) for row in connection.execute(query)]
    while page:
        yield page
        last = page[-1].ended_at_ms, page[-1].decision_id
        page = [_decision(row) for row in connection.execute(query.where(tuple_(*order) > last))]


def _typed(columns: Columns, dialect: str) -> Columns:
    """Return columns that have the types they were made with, whatever somebody has put there.

    SQLite keeps any kind of value in any column, and cannot return text that is not UTF-8.
    """
    if dialect != "sqlite":
        return columns
    return [
        sql_cast(column, BigInteger if isinstance(column.type, BigInteger) else LargeBinary).label(
            column.name
        )
        for column in columns
    ]


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode(errors="replace")


def _decision(row: Any) -> SealedDecision:
    decision_id, key_id, sealed, status, started_at_ms, ended_at_ms, scope = row
    return SealedDecision(
        decision_id=_text(decision_id),
        key_id=_text(key_id),
        sealed=sealed,
        status=cast(Any, _text(status)),
        started_at_ms=started_at_ms,
        ended_at_ms=ended_at_ms,
        scope=_text(scope),
    )


def stored_head(row: Any) -> StoredHead:
    """Return a row of the table of heads."""
    values = row._asdict()
    seal = values.pop("seal")
    return StoredHead(Head(**values), seal)


def _stored(row: Any, listed: RecordList | None) -> StoredList:
    root = HourRoot(
        partition=row.partition,
        hour=row.hour,
        lists=row.number + 1,
        records=row.position + row.records,
        root=row.root,
        before=row.before,
    )
    return StoredList(root, row.seal, row.leaf, row.position, listed)


def _listed(row: Any) -> RecordList | None:
    if row.hashes is None or row.ids is None:
        return None
    return RecordList(
        partition=row.partition,
        hour=row.hour,
        number=row.number,
        position=row.position,
        hashes=row.hashes,
        ids=row.ids,
    )
