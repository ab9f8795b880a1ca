"""Reads versions without MLflow, whose import takes seconds: a command that only lists them uses this.

The file of a local registry is read directly, if its tables are of a kind that is known here, and a server by
its REST interface, if it asks for no login. Of any other registry, MLflow is asked.
"""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol
from urllib.parse import urlsplit
from urllib.request import url2pathname

from gnomon.errors import RegistryUnavailableError
from gnomon.models.intents import CHAMPION, is_live
from gnomon.models.registry.server_reading import server_reader
from gnomon.models.registry.sqlite_file import SqliteFile
from gnomon.models.registry.versions import (
    AUTHOR_TAG,
    SHA256_TAG,
    LiveVersion,
    VersionInfo,
    checked_uri,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

KNOWN_REVISIONS: Final = frozenset({"dc11669786a5"})
"""Revisions of MLflow's tables that the queries here were written for."""
_BUSY_S: Final = 30.0
_DELETED: Final = "Deleted_Internal"


class RegistryReader(Protocol):
    """Lists the versions of one registered model."""

    name: str

    def live(self) -> Sequence[LiveVersion]:
        """Return versions that should predict: the champion first, then challengers by alias."""
        ...

    def versions(self) -> Sequence[VersionInfo]:
        """Return every version, newest first."""
        ...

    def file_of(self, version: str, name: str) -> bytes | None:
        """Return the content of a file that was stored beside a version; ``None`` if it has none."""
        ...


def open_reader(*, uri: str, model_name: str) -> RegistryReader:
    """Return what reads the registry at ``uri`` with the least effort.

    Raises:
        ConfigurationError: The URI is of another form.
        RegistryUnavailableError: The file cannot be read.
    """
    if checked_uri(uri).startswith("sqlite:///"):
        reader = SqliteReader(SqliteFile.of(uri), model_name)
        if reader.usable():
            return reader
    elif (server := server_reader(uri, model_name)) is not None:
        return server
    from gnomon.models.registry.registry import Registry  # noqa: PLC0415  imports MLflow

    return Registry(uri=uri, model_name=model_name)


class SqliteReader:
    """Reads the file of a local registry; see ``RegistryReader``."""

    def __init__(self, file: SqliteFile, name: str) -> None:
        self._file, self.name = file, name

    def usable(self) -> bool:
        """Return whether there is no file, or one with tables that are known.

        Raises:
            RegistryUnavailableError: The file is no database, or stays locked.
        """
        if not self._file.exists():
            return True
        found = self._rows("SELECT name FROM sqlite_master WHERE name = 'alembic_version'")
        if not found:
            return False
        return KNOWN_REVISIONS.issuperset(
            revision for (revision,) in self._rows("SELECT version_num FROM alembic_version")
        )

    def live(self) -> Sequence[LiveVersion]:
        """Return versions that should predict: the champion first, then challengers by alias."""
        known = {each.version: each for each in self.versions()}
        live: dict[str, list[str]] = {}
        aliases = sorted(self._aliases().items(), key=lambda pair: (pair[0] != CHAMPION, pair[0]))
        for alias, version in aliases:
            if is_live(alias) and version in known:
                live.setdefault(version, []).append(alias)
        return [
            LiveVersion(
                name=self.name,
                version=version,
                aliases=tuple(of_version),
                sha256=known[version].sha256,
            )
            for version, of_version in live.items()
        ]

    def versions(self) -> Sequence[VersionInfo]:
        """Return every version, newest first."""
        aliases, tags, metrics = self._aliases(), self._tags(), self._metrics()
        found = self._of_model(
            "SELECT CAST(version AS TEXT), creation_time, run_id FROM model_versions"
            " WHERE workspace = 'default' AND name = ? AND current_stage <> ?"
            " ORDER BY version DESC",
            _DELETED,
        )
        return [
            VersionInfo(
                name=self.name,
                version=version,
                aliases=tuple(sorted(a for a, v in aliases.items() if v == version)),
                sha256=tags.get((version, SHA256_TAG)),
                author=tags.get((version, AUTHOR_TAG)),
                created_at_ms=created_at_ms,
                metrics=metrics.get(run_id, {}),
            )
            for version, created_at_ms, run_id in found
        ]

    def file_of(self, version: str, name: str) -> bytes | None:
        """Return the content of a file that was stored beside a version; ``None`` if it has none.

        Files that are not on this machine are read by MLflow.

        Raises:
            ModelRefusedError: ``unknown_version``.
            RegistryUnavailableError: The files cannot be read.
        """
        folders = self._of_model(
            "SELECT artifact_uri FROM runs WHERE run_uuid IN (SELECT run_id FROM model_versions"
            " WHERE workspace = 'default' AND name = ? AND CAST(version AS TEXT) = ?)",
            version,
        )
        folder = urlsplit(folders[0][0]) if folders else None
        if folder is None or folder.scheme not in {"", "file"} or folder.netloc:
            from gnomon.models.registry.registry import Registry  # noqa: PLC0415  imports MLflow

            return Registry(uri=self._file.uri, model_name=self.name).file_of(version, name)
        path = Path(url2pathname(folder.path) if folder.scheme else folders[0][0]) / name
        try:
            return path.read_bytes() if path.exists() else None
        except OSError as error:
            raise RegistryUnavailableError(f"{path}: {error.strerror or error}") from error

    def _aliases(self) -> "Mapping[str, str]":
        return dict(
            self._of_model(
                "SELECT alias, CAST(version AS TEXT) FROM registered_model_aliases"
                " WHERE workspace = 'default' AND name = ?"
            )
        )

    def _tags(self) -> "Mapping[tuple[str, str], str]":
        rows = self._of_model(
            "SELECT CAST(version AS TEXT), key, value FROM model_version_tags"
            " WHERE workspace = 'default' AND name = ?"
        )
        return {(version, key): value for version, key, value in rows}

    def _metrics(self) -> "Mapping[str, dict[str, float]]":
        """Return the metrics of each run that a version was made in."""
        found: dict[str, dict[str, float]] = {}
        rows = self._of_model(
            "SELECT run_uuid, key, CASE WHEN is_nan THEN NULL ELSE value END FROM latest_metrics"
            " WHERE run_uuid IN (SELECT run_id FROM model_versions WHERE workspace = 'default' AND name = ?)"
        )
        for run_id, key, value in rows:
            found.setdefault(run_id, {})[key] = float("nan") if value is None else value
        return found

    def _of_model(self, query: str, *more: str) -> list[Any]:
        return self._rows(query, self.name, *more) if self._file.exists() else []

    def _rows(self, query: str, *values: str) -> list[Any]:
        try:
            with closing(sqlite3.connect(self._file.path, timeout=_BUSY_S)) as database:
                return database.execute(query, values).fetchall()
        except sqlite3.Error as error:
            raise RegistryUnavailableError(f"{self._file.path}: {error}") from error
