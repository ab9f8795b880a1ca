"""MLflow's empty tables, as MLflow's own migrations make them, which takes seconds of processor time.

``mlflow_tables.sql`` is used if the installed MLflow has as many migrations as the one that it was made
with. After another MLflow was installed, make it again:

    python -m gnomon.models.registry.prepared_tables > workers/gnomon/models/registry/mlflow_tables.sql
"""

import sqlite3
import sys
import tempfile
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path
from typing import Final

_FILE: Final = Path(__file__).with_name("mlflow_tables.sql")
_HEAD: Final = "-- migrations: "
_FILLED: Final = ("alembic_version", "workspaces")
"""Tables that have rows in an empty registry."""


def prepared_tables() -> str | None:
    """Return the statements that make the tables, or ``None`` if the installed MLflow has others."""
    text = _FILE.read_text(encoding="utf-8")
    made_with = text.partition("\n")[0].removeprefix(_HEAD)
    return text if made_with == str(_migrations()) else None


def _migrations() -> int:
    """Return the number of migrations of the installed MLflow, without importing it."""
    found = find_spec("mlflow")
    places = [] if found is None else found.submodule_search_locations or []
    return sum(
        1 for place in places for _ in Path(place).glob("store/db_migrations/versions/[!_]*.py")
    )


def dump(path: Path) -> str:
    """Return the statements that make a database with the tables of ``path``."""
    with closing(sqlite3.connect(path)) as database:
        made = database.execute(
            "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%'"
            " ORDER BY type = 'index', rowid"
        ).fetchall()
        rows = [
            line
            for line in database.iterdump()
            if line.startswith(tuple(f'INSERT INTO "{table}"' for table in _FILLED))
        ]
    statements = [*(f"{sql.rstrip()};" for (sql,) in made), *rows]
    lines = [line.rstrip() for each in statements for line in each.splitlines()]
    return "\n".join([f"{_HEAD}{_migrations()}", *lines, ""])


def migrated(path: Path) -> None:
    """Let MLflow make its tables in the file ``path``."""
    from mlflow.tracking import MlflowClient  # noqa: PLC0415  takes seconds

    uri = f"sqlite:///{path}"
    MlflowClient(tracking_uri=uri, registry_uri=uri).search_registered_models(max_results=1)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        migrated(Path(folder) / "mlflow.db")
        sys.stdout.write(dump(Path(folder) / "mlflow.db"))
