"""The SQLite file of a local registry, set up for use by several processes."""

import contextlib
import fcntl
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from gnomon.errors import RegistryUnavailableError
from gnomon.models.registry.prepared_tables import prepared_tables

_BUSY_S = 30.0


@dataclass(frozen=True, slots=True)
class SqliteFile:
    """The database file of a local registry."""

    path: Path

    @classmethod
    def of(cls, uri: str) -> Self:
        """Return the file of ``sqlite:///path``."""
        return cls(Path(uri.removeprefix("sqlite:///").partition("?")[0]).absolute())

    @property
    def uri(self) -> str:
        """URI of the file, independent of the working directory."""
        return f"sqlite:///{self.path}"

    @property
    def artifacts(self) -> str:
        """URI of the folder of model files."""
        return (self.path.parent / "mlartifacts").as_uri()

    def exists(self) -> bool:
        """Return whether the file exists."""
        return self.path.is_file()

    @contextlib.contextmanager
    def prepared(self) -> Iterator[None]:
        """Lock the file against other processes while the tables are created or inspected.

        The file is put into WAL mode, in which readers and a writer do not block each other. A new one
        gets MLflow's tables.

        Raises:
            RegistryUnavailableError: The file cannot be opened, or is not a database.
        """
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.with_name(self.path.name + ".lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                self._set_up()
                yield
        except OSError as error:
            raise RegistryUnavailableError(f"{self.path}: {error.strerror}") from error

    def _set_up(self) -> None:
        try:
            with contextlib.closing(sqlite3.connect(self.path, timeout=_BUSY_S)) as connection:
                connection.execute("PRAGMA journal_mode=WAL")
                (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
                if not tables and (prepared := prepared_tables()) is not None:
                    connection.executescript(f"BEGIN;\n{prepared}\nCOMMIT;")
        except sqlite3.Error as error:
            raise RegistryUnavailableError(f"{self.path}: {error}") from error
