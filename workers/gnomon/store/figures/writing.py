"""Stores numbers: those of decisions in the transaction of their sealed rows, and those over time."""

from collections.abc import Iterable, Sequence
from itertools import chain

from sqlalchemy import Connection, Table, delete

from gnomon.store.bulk import BulkUpsert
from gnomon.store.database import Database
from gnomon.store.figures.months import MonthPartitions
from gnomon.store.figures.of_decision import Figures, Row
from gnomon.store.figures.of_metrics import MetricsRows
from gnomon.store.figures.of_verdict import VerdictRows
from gnomon.store.figures.tables import (
    CHECKLIST,
    IMPROVEMENTS,
    LEDGER,
    METRICS,
    PREDICTIONS,
    TASKS,
    VERDICTS,
)


class FigureTables:
    """The tables of numbers in one store. All writes replace rows with the same key.

    Args:
        database: The database.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._mark = "?" if database.dialect == "sqlite" else "%s"
        self._months = MonthPartitions(database)
        self._tasks, self._predictions = self._upsert(TASKS), self._upsert(PREDICTIONS)
        self._metrics, self._ledger = self._upsert(METRICS), self._upsert(LEDGER)
        self._of_verdicts = [self._upsert(table) for table in (VERDICTS, IMPROVEMENTS, CHECKLIST)]

    def _upsert(self, table: Table) -> BulkUpsert:
        return BulkUpsert(self._database, table)

    def prepare(self, figures: Iterable[Figures]) -> None:
        """Make room for the numbers of decisions, before the transaction that writes them."""
        self._months.ensure(int(task[0] or 0) for task, _ in figures)

    def write_decisions(
        self, connection: Connection, figures: Iterable[Figures], *, fresh: bool
    ) -> None:
        """Write the numbers of decisions, each once and after its decision; ``fresh`` as in ``BulkUpsert.write``."""
        # In the order of the index, so that most of its pages are written once. Who writes the same decisions
        # at once waits for those, so that no two deadlock here.
        ordered = sorted(figures, key=_by_end)
        self._tasks.write(connection, [each.task for each in ordered], fresh=fresh)
        predictions = chain.from_iterable(each.predictions for each in ordered)
        self._predictions.write(connection, list(predictions), fresh=fresh)

    def forget(self, connection: Connection, decisions: Sequence[tuple[int, str]]) -> None:
        """Delete the numbers of decisions, given by time of the end and id."""
        if not decisions:
            return
        for table in (TASKS, PREDICTIONS):
            connection.exec_driver_sql(
                f"DELETE FROM {table.name} WHERE ended_at_ms = {self._mark}"  # noqa: S608  our own names
                f" AND decision_id = {self._mark}",
                decisions,
            )

    def forget_scope(self, scope: str) -> int:
        """Delete the numbers of all decisions of ``scope``; return of how many."""
        with self._database.begin() as connection:
            self._database.overwrite_deleted(connection)
            connection.execute(delete(PREDICTIONS).where(PREDICTIONS.c.scope == scope))
            return connection.execute(delete(TASKS).where(TASKS.c.scope == scope)).rowcount

    def write_metrics(self, connection: Connection, rows: MetricsRows) -> None:
        """Write metrics and ledgers."""
        self._metrics.write(connection, list(rows.metrics.values()))
        self._ledger.write(connection, list(rows.ledger.values()))

    def write_verdicts(self, rows: VerdictRows) -> None:
        """Write verdicts, in a transaction of their own.

        Raises:
            StoreUnavailableError: Nothing was written.
        """
        with self._database.begin() as connection:
            for upsert, written in zip(self._of_verdicts, rows, strict=True):
                upsert.write(connection, written)


def _by_end(figures: Figures) -> Row:
    return figures.task[:2]
