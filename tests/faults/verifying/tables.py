"""Loads a dump into DuckDB and computes the expected records from its input."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import duckdb

ORACLE: Final = Path(__file__).with_name("oracle.sql")
_COLUMNS: Final = """{life: 'INTEGER', partition: 'INTEGER', "offset": 'BIGINT', timestamp: 'BIGINT',
    key: 'VARCHAR', size: 'BIGINT', value: 'JSON', raw: 'VARCHAR'}"""
_HOLES: Final = """{life: 'INTEGER', partition: 'INTEGER', start: 'BIGINT', stop: 'BIGINT',
    agents_told: 'BIGINT'}"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spans:
    """The settings that the workers ran with, in milliseconds."""

    lateness_ms: int
    expire_ms: int
    ahead_ms: int = 600_000
    hour_ms: int = 3_600_000
    day_ms: int = 86_400_000


def set_spans(db: duckdb.DuckDBPyConnection, spans: Spans) -> None:
    """Make the settings variables of SQL."""
    for name, value in asdict(spans).items():
        db.execute(f"SET VARIABLE {name} = {int(value)}")


def load(db: duckdb.DuckDBPyConnection, folder: Path, name: str, table: str) -> None:
    """Make a table of one file of records."""
    _load(db, folder, name, table, _COLUMNS)


def expect(db: duckdb.DuckDBPyConnection, folder: Path) -> None:
    """Make the tables of expected records, from the tables ``log`` and ``asked``."""
    _load(db, folder, "holes", "hole", _HOLES)
    db.execute(ORACLE.read_text(encoding="utf-8"))


def expect_without_holes(db: duckdb.DuckDBPyConnection, schema: str) -> None:
    """Make the same tables in a schema of their own, as if every record had been read."""
    db.execute(f"CREATE SCHEMA {schema}")
    db.execute(f"SET search_path = '{schema},main'")
    db.execute("CREATE TABLE hole AS SELECT * FROM main.hole WHERE false")
    db.execute(ORACLE.read_text(encoding="utf-8"))
    db.execute("SET search_path = 'main'")


def _load(db: duckdb.DuckDBPyConnection, folder: Path, name: str, table: str, columns: str) -> None:
    db.execute(
        f"CREATE TABLE {table} AS SELECT * FROM read_json(?, format = 'newline_delimited',"  # noqa: S608
        f" columns = {columns})",
        [str(folder / f"{name}.jsonl")],
    )
