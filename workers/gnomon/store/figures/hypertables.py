"""Hypertables of TimescaleDB for the two large tables of numbers, with sums by hour kept beside them.

Where the extension is not installed in the database, these are plain tables: on PostgreSQL with a partition for
each month (``months``).
"""

from typing import Final

from sqlalchemy import Connection, Table, text

from gnomon.errors import ConfigurationError
from gnomon.store.database import Database
from gnomon.store.figures.tables import PREDICTIONS, TASKS

_CHUNK_MS: Final = 7 * 86_400_000
_HOUR_MS: Final = 3_600_000
_TABLES: Final = {TASKS: "agent", PREDICTIONS: "model, version"}
"""Each table, and by which columns rows are compressed together: those by which queries choose."""

_NOW: Final = """
CREATE OR REPLACE FUNCTION gnomon_now_ms() RETURNS BIGINT LANGUAGE SQL STABLE
AS $$ SELECT (extract(epoch FROM now()) * 1000)::BIGINT $$
"""

_HOURLY: Final = {
    "gnomon_tasks_hourly": """
SELECT time_bucket(BIGINT '3600000', ended_at_ms) AS hour_ms, status, count(*) AS tasks,
  count(succeeded) AS with_outcome, count(*) FILTER (WHERE succeeded) AS succeeded,
  sum(duration_s) AS duration_s_sum
FROM gnomon_tasks GROUP BY 1, 2
""",
    "gnomon_predictions_hourly": """
SELECT time_bucket(BIGINT '3600000', ended_at_ms) AS hour_ms, model, version, count(*) AS predictions,
  count(*) FILTER (WHERE error_s IS NOT NULL AND control_error_s IS NOT NULL) AS paired,
  sum(error_s) FILTER (WHERE control_error_s IS NOT NULL) AS paired_error_s_sum,
  sum(control_error_s) FILTER (WHERE error_s IS NOT NULL) AS control_error_s_sum,
  sum(loss) AS loss_sum, count(loss) AS with_loss, sum(brier) AS brier_sum, count(brier) AS with_brier
FROM gnomon_predictions GROUP BY 1, 2, 3
""",
}
"""Continuous aggregates; they are computed from the hypertable where they are not kept yet."""


def is_available(database: Database) -> bool:
    """Return whether the extension is installed in this database."""
    if database.dialect != "postgresql":
        return False
    found = text("SELECT 1 FROM pg_extension WHERE extname = 'timescaledb'")
    with database.begin() as connection:
        return connection.execute(found).first() is not None


def use_hypertables(
    database: Database, *, compress_after_ms: int | None = None, keep_ms: int | None = None
) -> bool:
    """Make hypertables of the two tables, with their rows, and the sums by hour.

    The tables are locked meanwhile; vault workers wait. What is there already stays, and the policies are those
    of the last call.

    Args:
        database: Of a store whose tables exist.
        compress_after_ms: Compress rows that ended so long ago.
        keep_ms: Delete rows that ended longer ago. This is only about numbers: sealed decisions stay.

    Returns:
        Whether tables were changed.

    Raises:
        ConfigurationError: The extension is not installed in the database.
        StoreRefusedError: The user is not the owner of the tables.
    """
    if not is_available(database):
        raise ConfigurationError(
            f"{database.name} has no TimescaleDB: CREATE EXTENSION timescaledb, as an administrator of the"
            " database. Without it, gnomon keeps a partition for each month"
        )
    with database.begin() as connection:
        connection.execute(text(_NOW))
        plain = [table for table in _TABLES if not is_hypertable(connection, table)]
        for table in plain:
            _convert(connection, table)
        for name, query in _HOURLY.items():
            _aggregate(connection, name, query)
        for table, segments in _TABLES.items():
            _set_policies(connection, table, segments, compress_after_ms, keep_ms)
    return bool(plain)


def is_hypertable(connection: Connection, table: Table) -> bool:
    """Return whether ``table`` is one; the extension must be installed."""
    found = text("SELECT 1 FROM timescaledb_information.hypertables WHERE hypertable_name = :name")
    return connection.execute(found, {"name": table.name}).first() is not None


def _convert(connection: Connection, table: Table) -> None:
    """Replace a table that is partitioned by month by a hypertable with the same rows and indexes."""
    name, before = table.name, f"{table.name}_before"
    connection.execute(text(f"LOCK TABLE {name} IN ACCESS EXCLUSIVE MODE"))
    connection.execute(text(f"ALTER TABLE {name} RENAME TO {before}"))
    connection.execute(text(f"CREATE TABLE {name} (LIKE {before} INCLUDING DEFAULTS)"))
    connection.execute(
        text(
            f"SELECT create_hypertable('{name}', 'ended_at_ms', chunk_time_interval => BIGINT '{_CHUNK_MS}',"
            " create_default_indexes => FALSE)"
        )
    )
    connection.execute(text(f"SELECT set_integer_now_func('{name}', 'gnomon_now_ms')"))
    connection.execute(text(f"INSERT INTO {name} SELECT * FROM {before}"))  # noqa: S608  our own names
    connection.execute(text(f"DROP TABLE {before}"))
    keys = ", ".join(column.name for column in table.primary_key.columns)
    connection.execute(text(f"ALTER TABLE {name} ADD PRIMARY KEY ({keys})"))
    for index in table.indexes:
        columns = ", ".join(column.name for column in index.columns)
        connection.execute(text(f"CREATE INDEX {index.name} ON {name} ({columns})"))


def _aggregate(connection: Connection, name: str, query: str) -> None:
    found = text(
        "SELECT 1 FROM timescaledb_information.continuous_aggregates WHERE view_name = :name"
    )
    if connection.execute(found, {"name": name}).first() is not None:
        return
    options = "timescaledb.continuous, timescaledb.materialized_only = false"
    connection.execute(
        text(f"CREATE MATERIALIZED VIEW {name} WITH ({options}) AS {query} WITH NO DATA")
    )
    connection.execute(
        text(
            f"SELECT add_continuous_aggregate_policy('{name}', start_offset => BIGINT '{3 * 24 * _HOUR_MS}',"
            f" end_offset => BIGINT '{_HOUR_MS}', schedule_interval => INTERVAL '10 minutes')"
        )
    )


def _set_policies(
    connection: Connection,
    table: Table,
    segments: str,
    compress_after_ms: int | None,
    keep_ms: int | None,
) -> None:
    name = table.name
    connection.execute(text(f"SELECT remove_compression_policy('{name}', if_exists => TRUE)"))
    connection.execute(text(f"SELECT remove_retention_policy('{name}', if_exists => TRUE)"))
    if compress_after_ms is not None:
        connection.execute(
            text(
                f"ALTER TABLE {name} SET (timescaledb.compress, timescaledb.compress_segmentby = '{segments}',"
                " timescaledb.compress_orderby = 'ended_at_ms')"
            )
        )
        connection.execute(
            text(f"SELECT add_compression_policy('{name}', BIGINT '{compress_after_ms}')")
        )
    if keep_ms is not None:
        connection.execute(text(f"SELECT add_retention_policy('{name}', BIGINT '{keep_ms}')"))
