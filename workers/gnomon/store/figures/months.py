"""Partitions by month of the two large tables on PostgreSQL, made before the first row of a month."""

import logging
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final

from sqlalchemy import Connection, text

from gnomon.errors import GnomonError
from gnomon.store.database import Database
from gnomon.store.figures.tables import PREDICTIONS, TASKS

logger = logging.getLogger(__name__)

_LOCK: Final = 0x676E6F6D6F
_MOST: Final = 120
"""Most months of one process: clocks of agents may be absurd. Rows of other months are in the default partition."""
_DAY_MS: Final = 86_400_000
_FIRST_MS: Final = 946_684_800_000  # 2000-01-01
_LAST_MS: Final = 4_102_444_800_000  # 2100-01-01


class MonthPartitions:
    """Makes the partitions of months that this process has not met yet.

    Args:
        database: A PostgreSQL database; nothing is done for others.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: set[tuple[int, int]] = set()
        self._is_partitioned: bool | None = None

    def ensure(self, ends_ms: Iterable[int]) -> None:
        """Make the partitions for tasks that ended at these times, epoch milliseconds.

        A hypertable needs none. Where it fails, for example without the right to, rows go into the default partition.
        """
        if self._database.dialect != "postgresql" or self._is_partitioned is False:
            return
        days = {at // _DAY_MS for at in ends_ms}  # a time for each day is enough
        for month in sorted(
            {_month(day * _DAY_MS) for day in days if _FIRST_MS <= day * _DAY_MS < _LAST_MS}
        ):
            if month in self._known or len(self._known) >= _MOST:
                continue
            try:
                with self._database.begin() as connection:
                    self._is_partitioned = _is_partitioned(connection)
                    if not self._is_partitioned:
                        return
                    _create(connection, month)
            except GnomonError as error:
                logger.warning("store.no_partition", extra={"reason": str(error)})
            self._known.add(month)


def _is_partitioned(connection: Connection) -> bool:
    """Return whether there are partitions by month, and not a hypertable of TimescaleDB."""
    kind = text("SELECT relkind::text FROM pg_class WHERE oid = to_regclass(:name)")
    return connection.execute(kind, {"name": TASKS.name}).scalar_one_or_none() == "p"


def _month(at_ms: int) -> tuple[int, int]:
    at = datetime.fromtimestamp(at_ms / 1000, UTC)
    return at.year, at.month


def _create(connection: Connection, month: tuple[int, int]) -> None:
    year, number = month
    begin, end = _ms(year, number), _ms(year + number // 12, number % 12 + 1)
    connection.execute(text("SET LOCAL lock_timeout = '2s'"))
    connection.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))
    for table in (TASKS, PREDICTIONS):
        name = f"{table.name}_y{year}m{number:02}"
        if not connection.dialect.has_table(connection, name):
            connection.execute(
                text(
                    f"CREATE TABLE {name} PARTITION OF {table.name}"
                    f" FOR VALUES FROM ({begin}) TO ({end})"
                )
            )


def _ms(year: int, month: int) -> int:
    return round(datetime(year, month, 1, tzinfo=UTC).timestamp() * 1000)
