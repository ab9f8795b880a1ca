"""The SQLite file of a local registry, made ready for several processes."""

import contextlib
import fcntl
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from gnomon.errors import RegistryUnavailableError

_BUSY_S = 30.0


@dataclass(frozen=True, slots=True)
class SqliteFile:
    """Where a local registry keeps its tables."""

    path: Path

    @classmethod
    def of(cls, uri: str) -> Self:
        """That of ``sqlite:///path``."""
        return cls(Path(uri.removeprefix("sqlite:///").partition("?")[0]).absolute())

    @property
    def uri(self) -> str:
        """The same file whatever the working directory."""
        return f"sqlite:///{self.path}"

    @property
    def artifacts(self) -> str:
        """Where the files of its models go, as a URI."""
        return (self.path.parent / "mlartifacts").as_uri()

    def exists(self) -> bool:
        """Whether there is a file."""
        return self.path.is_file()

    @contextlib.contextmanager
    def prepared(self) -> Iterator[None]:
        """Hold other processes off while the tables are made or looked at.

        The file is left in WAL mode, in which readers and a writer do not wait for each other.

        Raises:
            RegistryUnavailableError: It cannot be opened, or is no database.
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
        except sqlite3.Error as error:
            raise RegistryUnavailableError(f"{self.path}: {error}") from error
