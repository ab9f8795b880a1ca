"""The store of sealed decisions. It handles neither keys nor plaintext."""

from collections.abc import Iterator, Sequence
from typing import Any, Final, Literal

import msgspec
from sqlalchemy import Select, func, select, tuple_

from gnomon.events import SealedDecision
from gnomon.store.database import Database, insert_into
from gnomon.store.keys import CanaryRow, KeyTable, put_missing, require_canary
from gnomon.store.lease import Lease
from gnomon.store.meta import install, is_installed, require_installed
from gnomon.store.schema import DECISIONS
from gnomon.vault import KeyRow

_COLUMNS: Final = tuple(DECISIONS.c[name] for name in SealedDecision.__struct_fields__)
_ORDER: Final = (DECISIONS.c.ended_at_ms, DECISIONS.c.decision_id)


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """Summary of a store, as far as it can be made without a key."""

    decisions: int
    by_status: dict[str, int]
    sealed_bytes: int
    first_ended_at_ms: int | None
    last_ended_at_ms: int | None
    keys: int


class DecisionStore:
    """Sealed decisions and the wrapped keys beside them, in SQLite or PostgreSQL.

    Several processes may use one store at once. Every method raises ``StoreUnavailableError``
    when the database does not answer.

    Args:
        url: ``sqlite:///path`` or ``postgresql://user:password@host/name``.

    Attributes:
        name: The URL without user, password and options.
        keys: The wrapped keys, for a ``KeyRing``.
        canary: The record that shows whether a key opens this store.

    Raises:
        ConfigurationError: The URL is malformed or of another kind of database.
    """

    def __init__(self, url: str) -> None:
        self._database = Database(url)
        self.name = self._database.name
        self._upsert = _upsert_sql(self._database)
        self.keys = KeyTable(self._database)
        self.canary = CanaryRow(self._database)

    def create(self) -> None:
        """Create the tables that are missing. Two processes may do so at once.

        Raises:
            ConfigurationError: The tables are of another version of gnomon.
        """
        install(self._database)

    def exists(self) -> bool:
        """Return whether the tables exist."""
        return is_installed(self._database)

    def check(self) -> None:
        """Check that the tables exist; change nothing.

        Raises:
            ConfigurationError: There are no tables, or tables of another version of gnomon.
        """
        require_installed(self._database)

    def upsert(
        self,
        rows: Sequence[SealedDecision],
        *,
        keys: Sequence[KeyRow] = (),
        canary: bytes | None = None,
    ) -> None:
        """Store ``rows`` in one transaction; of several rows with the same id, the last is kept.

        Args:
            rows: The decisions.
            keys: The keys that seal them. One that is missing is stored again: the database may have
                been restored, or a replica promoted, since it was stored.
            canary: The canary that the key has opened, put again likewise.

        Raises:
            KeyUnavailableError: The store has another canary: it has become another store.
        """
        if not rows:
            return
        # All writers use the same order, so that two with the same ids cannot deadlock.
        by_id = {row.decision_id: msgspec.structs.asdict(row) for row in rows}
        with self._database.begin() as connection:
            if canary is not None:
                require_canary(connection, canary, name=self.name)
            put_missing(connection, keys)
            connection.exec_driver_sql(self._upsert, [by_id[key] for key in sorted(by_id)])

    def get(self, decision_id: str) -> SealedDecision | None:
        """Return one decision, or ``None``."""
        found = self._read(select(*_COLUMNS).where(DECISIONS.c.decision_id == decision_id))
        return found[0] if found else None

    def recent(self, limit: int) -> list[SealedDecision]:
        """Return the ``limit`` decisions that ended last, newest first."""
        return self._read(_ordered("newest").limit(limit))

    def iter_sealed(
        self,
        *,
        after_ms: int | None = None,
        batch: int = 1_000,
        order: Literal["oldest", "newest"] = "oldest",
    ) -> Iterator[SealedDecision]:
        """Yield every decision, ordered by its end and then by id.

        Each batch is read in a transaction of its own, so that a long iteration blocks no writer.
        A decision that is stored meanwhile is included if the iteration has not passed its end.

        Args:
            after_ms: Only decisions that ended later than this, epoch milliseconds.
            batch: Number of rows of one read.
            order: ``oldest`` or ``newest`` first.
        """
        every = _ordered(order)
        if after_ms is not None:
            every = every.where(DECISIONS.c.ended_at_ms > after_ms)
        page = self._read(every.limit(batch))
        while page:
            yield from page
            last = tuple_(*_ORDER), (page[-1].ended_at_ms, page[-1].decision_id)
            rest = last[0] > last[1] if order == "oldest" else last[0] < last[1]
            page = self._read(every.where(rest).limit(batch)) if len(page) == batch else []

    def count(self) -> int:
        """Return the number of decisions."""
        with self._database.begin() as connection:
            return connection.execute(select(func.count()).select_from(DECISIONS)).scalar_one()

    def summary(self) -> Summary:
        """Return counts, bytes and times of the whole store. This reads every row."""
        by_status = select(
            DECISIONS.c.status,
            func.count(),
            func.sum(func.length(DECISIONS.c.sealed)),
            func.min(DECISIONS.c.ended_at_ms),
            func.max(DECISIONS.c.ended_at_ms),
        ).group_by(DECISIONS.c.status)
        with self._database.begin() as connection:
            found = connection.execute(by_status.order_by(DECISIONS.c.status)).all()
        return Summary(
            decisions=sum(row[1] for row in found),
            by_status={row[0]: row[1] for row in found},
            sealed_bytes=sum(int(row[2]) for row in found),
            first_ended_at_ms=min((row[3] for row in found), default=None),
            last_ended_at_ms=max((row[4] for row in found), default=None),
            keys=self.keys.count(),
        )

    def lease(self, name: str, *, owner: str) -> Lease:
        """Return a lease kept in this store, not taken yet."""
        return Lease(self._database, name, owner=owner)

    def close(self) -> None:
        """Close every connection of this process."""
        self._database.close()

    def _read(self, query: Select[Any]) -> list[SealedDecision]:
        with self._database.begin() as connection:
            rows = connection.execute(query).mappings()
            return [SealedDecision(**row) for row in rows]


def _ordered(order: Literal["oldest", "newest"]) -> Select[Any]:
    by = _ORDER if order == "oldest" else tuple(column.desc() for column in _ORDER)
    return select(*_COLUMNS).order_by(*by)


def _upsert_sql(database: Database) -> str:
    """Return the SQL text for the driver: SQLAlchemy's own handling of rows takes a third longer."""
    insert = insert_into(DECISIONS, database.dialect)
    replace = insert.on_conflict_do_update(
        index_elements=[DECISIONS.c.decision_id],
        set_={c.name: insert.excluded[c.name] for c in DECISIONS.c if not c.primary_key},
    )
    return database.compiled(replace)
