"""The store of sealed decisions. It handles neither keys nor plaintext."""

from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Final, NamedTuple

import msgspec
from sqlalchemy import Connection

from gnomon.errors import EventError
from gnomon.events import SealedDecision
from gnomon.store.audit import AuditTable
from gnomon.store.bulk import BulkUpsert
from gnomon.store.database import Database
from gnomon.store.decision_reads import DecisionReads
from gnomon.store.figures import Figures, FigureTables, MetricsRows
from gnomon.store.keys import CanaryRow, IndexKeys, put_missing, require_canary
from gnomon.store.lease import Lease
from gnomon.store.meta import install, is_installed, require_installed
from gnomon.store.migrations import HEAD
from gnomon.store.resealing import Resealing
from gnomon.store.retention import Retention
from gnomon.store.roots import RootLog, RootReader
from gnomon.store.schema import DECISIONS
from gnomon.vault import KeyRow
from gnomon.vault.tamper import StatementSeal

_FOUND_SQLITE: Final = (
    "SELECT d.decision_id, d.ended_at_ms FROM json_each(?) AS each"
    " JOIN gnomon_decisions AS d ON d.decision_id = each.value"
)
_FOUND_POSTGRESQL: Final = (
    "SELECT decision_id, ended_at_ms FROM gnomon_decisions WHERE decision_id = ANY(%s)"
    " ORDER BY decision_id FOR UPDATE"
)
_TAKE_TURN: Final = f"SELECT pg_advisory_xact_lock({int.from_bytes(b'repeat')})"
"""Transactions that look for stored decisions take turns: each locks those that it finds and then waits for others
that have come since, so that two of them could wait for each other."""
_values: Final = attrgetter(*(column.name for column in DECISIONS.columns))


class _Batch(NamedTuple):
    """What is stored in one transaction."""

    rows: Sequence[SealedDecision]
    figures: Sequence[Figures]
    metrics: MetricsRows
    keys: Sequence[KeyRow]
    canary: bytes | None
    beside: Callable[[Connection], None] | None


class DecisionStore(DecisionReads):
    """Sealed decisions and the wrapped keys beside them, in SQLite or PostgreSQL.

    Several processes may use one store at once. Every method raises ``StoreUnavailableError``
    when the database does not answer.

    Args:
        url: ``sqlite:///path`` or ``postgresql://user:password@host/name``.

    Attributes:
        name: The URL without user, password and options.
        database: Where the tables are.
        keys: The wrapped keys, for a ``KeyRing``.
        canary: The record that shows whether a key opens this store.
        audit: Who opened or destroyed something.
        resealing: Replaces sealed bytes by those of another key.
        index_keys: Which key hashes the ids of a scope.
        figures: The tables of numbers.
        retention: Holds, and deletion by age.
        revision: The revision of the tables that this release needs.

    Raises:
        ConfigurationError: The URL is malformed or of another kind of database.
    """

    def __init__(self, url: str) -> None:
        self.database = Database(url)
        super().__init__(self.database)
        self._beside: list[Database] = []
        self.revision = HEAD
        self.name = self._database.name
        self._upsert = BulkUpsert(self._database, DECISIONS)
        # Whether decisions of the last batch were there, so that those of the next one may be.
        self._repeats = False
        self.figures = FigureTables(self._database)
        self.retention = Retention(self._database, self.figures)
        self.canary = CanaryRow(self._database)
        self.audit = AuditTable(self._database)
        self.resealing = Resealing(self._database)
        self.index_keys = IndexKeys(self._database)

    def create(self) -> bool:
        """Create the tables, or upgrade those of an earlier release. Two processes may do so at once.

        Returns:
            Whether anything was to be done.

        Raises:
            ConfigurationError: The tables are of a newer release.
        """
        return install(self._database)

    def exists(self) -> bool:
        """Return whether the tables exist."""
        return is_installed(self._database)

    def check(self) -> None:
        """Check that the tables exist; change nothing.

        Raises:
            ConfigurationError: There are no tables, or tables of another release.
        """
        require_installed(self._database)

    def upsert(
        self,
        rows: Sequence[SealedDecision],
        *,
        figures: Sequence[Figures] = (),
        metrics: MetricsRows | None = None,
        keys: Sequence[KeyRow] = (),
        canary: bytes | None = None,
        beside: Callable[[Connection], None] | None = None,
    ) -> None:
        """Store ``rows`` in one transaction; of several rows with the same id, the last is kept.

        Args:
            rows: The decisions.
            figures: Their numbers.
            metrics: Metrics and ledgers to store with them.
            keys: The keys that seal them. One that is missing is stored again: the database may have
                been restored, or a replica promoted, since it was stored.
            canary: The canary that the key has opened, put again likewise.
            beside: Called with the open transaction, to write what belongs to the rows.

        Raises:
            KeyUnavailableError: The store has another canary: it has become another store.
            EventError: A row can never be stored; none of ``rows`` was.
        """
        if not rows and not metrics:
            return
        self.figures.prepare(figures)
        batch = _Batch(rows, figures, metrics or MetricsRows(), keys, canary, beside)
        if not self._repeats:
            try:
                self._write(batch, look=False)
            except EventError:  # one of them may be stored, or was refused for what it is
                self._repeats = True
            else:
                return
        self._repeats = self._write(batch, look=True)

    def _write(self, batch: "_Batch", *, look: bool) -> bool:
        """Store the batch; return whether some of its decisions were there. Who does not look expects none."""
        # All writers use the same order, so that two with the same ids cannot deadlock.
        by_id = {row.decision_id: _values(row) for row in batch.rows}
        figures = batch.figures
        if len(by_id) < len(batch.rows):
            figures = list({each.task[1]: each for each in figures}.values())
        ids = sorted(by_id)
        with self._database.write() as connection:
            if batch.canary is not None:
                require_canary(connection, batch.canary, name=self.name)
            put_missing(connection, batch.keys)
            if batch.beside is not None:
                batch.beside(connection)
            stored = ends_of(connection, ids) if look else []
            self.figures.forget(connection, stored)
            self._upsert.write(connection, [by_id[key] for key in ids], fresh=not look)
            self.figures.write_decisions(connection, figures, fresh=not look)
            self.figures.write_metrics(connection, batch.metrics)
        return bool(stored)

    def root_log(self, seal: StatementSeal) -> RootLog:
        """Return the Merkle trees of this store, as one process writes them."""
        return RootLog(self._database, seal)

    def root_reader(self) -> RootReader:
        """Return what reads the Merkle trees of this store."""
        return RootReader(self._database)

    def lease(self, name: str, *, owner: str) -> Lease:
        """Return a lease kept in this store, not taken yet."""
        return Lease(self._database, name, owner=owner)

    def close_too(self, database: Database) -> None:
        """Have ``close`` close another database that is used beside this one."""
        self._beside.append(database)

    def close(self) -> None:
        """Close every connection of this process."""
        for database in (self._database, *self._beside):
            database.close()


def ends_of(connection: Connection, ids: Sequence[str]) -> list[tuple[int, str]]:
    """Return the end and the id of those decisions that are stored, and lock them, in the order of their ids.

    On PostgreSQL, it waits until no other transaction that has called it is open.
    """
    if connection.dialect.name == "sqlite":
        given: object = msgspec.json.encode(ids).decode()
        found = connection.exec_driver_sql(_FOUND_SQLITE, (given,))
    else:
        connection.exec_driver_sql(_TAKE_TURN)
        found = connection.exec_driver_sql(_FOUND_POSTGRESQL, (list(ids),))
    return [(ended_at_ms, decision_id) for decision_id, ended_at_ms in found]
