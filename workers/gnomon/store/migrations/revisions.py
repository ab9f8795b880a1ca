"""The revisions that this release knows, and the one that a store has."""

import re
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, text

VERSION_TABLE: Final = "gnomon_alembic_version"
"""Alembic's table under a name of ours: MLflow's tables may be in the same database, with Alembic's own."""

FOLDER: Final = Path(__file__).parent
_MODULE: Final = re.compile(r"r(\d{4})_\w+\.py")


def _known() -> tuple[str, ...]:
    names = (_MODULE.fullmatch(path.name) for path in (FOLDER / "versions").iterdir())
    return tuple(sorted(name[1] for name in names if name is not None))


KNOWN: Final = _known()
"""The revisions of this release, oldest first."""

HEAD: Final = KNOWN[-1]
"""The newest revision."""


def revision_of(connection: Connection) -> str | None:
    """Return the revision of the store, or ``None`` if it has none: it is empty, or made by release 0.1.0."""
    if not connection.dialect.has_table(connection, VERSION_TABLE):
        return None
    found = connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}"))  # noqa: S608  a constant
    revision = found.scalar_one_or_none()
    return None if revision is None else str(revision)
