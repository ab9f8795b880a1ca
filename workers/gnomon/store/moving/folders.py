"""Folders on this machine and on S3-compatible storage, with the errors by which a caller knows what to do."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.fs as pafs

from gnomon.errors import ConfigurationError, StoreUnavailableError
from gnomon.settings.s3 import S3Storage

_AT_ONCE: Final = 1 << 20
_REFUSED: Final = (
    "ACCESS_DENIED",
    "INVALID_ACCESS_KEY_ID",
    "SIGNATURE_DOES_NOT_MATCH",
    "NO_SUCH_BUCKET",
)


class Folder:
    """A folder of files.

    Storage takes the credentials, the region and the endpoint of the variables that Amazon's tools read:
    ``AWS_ACCESS_KEY_ID``, ``AWS_SECRET_ACCESS_KEY``, ``AWS_REGION``, ``AWS_ENDPOINT_URL``.

    Args:
        where: A path, or ``s3://bucket/folder``.

    Raises:
        ConfigurationError: It is neither.

    Attributes:
        name: Where it is.
    """

    def __init__(self, where: str) -> None:
        self.name = where.rstrip("/")
        scheme, separator, rest = where.partition("://")
        self._files: Any
        if not separator:
            self._files, self._path = pafs.LocalFileSystem(), str(Path(where).absolute())
        elif scheme == "s3" and rest.strip("/"):
            self._files, self._path = _s3(), rest.strip("/")
        else:
            raise ConfigurationError(f"expected a folder or s3://bucket/folder, got {where}")

    def has(self, name: str) -> bool:
        """Return whether there is such a file."""
        with self._translated():
            return bool(self._files.get_file_info(self._at(name)).type == pafs.FileType.File)

    def read(self, name: str) -> bytes:
        """Return the content of a small file."""
        with self._translated(), self._files.open_input_stream(self._at(name)) as file:
            return bytes(file.read())

    def write(self, name: str, data: bytes) -> None:
        """Write a small file, in place of one of the same name."""
        with self._translated():
            self._make()
            with self._files.open_output_stream(self._at(name)) as file:
                file.write(data)

    def writer(self, name: str) -> "FileWriter":
        """Begin a file; it is there once it is closed."""
        with self._translated():
            self._make()
            return FileWriter(self, self._files.open_output_stream(self._at(name)))

    @contextmanager
    def reader(self, name: str) -> Iterator[pa.NativeFile]:
        """Open a file for reading anywhere in it."""
        with self._translated(), self._files.open_input_file(self._at(name)) as file:
            yield file

    def require_sha256(self, name: str, expected: str) -> None:
        """Compare the hash of a file.

        Raises:
            ConfigurationError: The file was changed, or is not there.
        """
        found = hashlib.sha256()
        with self._translated(), self._files.open_input_stream(self._at(name)) as file:
            while data := file.read(_AT_ONCE):
                found.update(data)
        if found.hexdigest() != expected:
            raise ConfigurationError(
                f"{self.name}/{name} is not the file that was exported: its SHA-256 differs;"
                " fetch it again, or export again"
            )

    def _at(self, name: str) -> str:
        return f"{self._path}/{name}"

    def _make(self) -> None:
        if isinstance(self._files, pafs.LocalFileSystem):
            self._files.create_dir(self._path, recursive=True)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError as error:
            raise ConfigurationError(f"{self.name}: {_line(error)}") from error
        except OSError as error:
            line = _line(error)
            local = isinstance(self._files, pafs.LocalFileSystem)
            if local or any(word in line for word in _REFUSED):
                raise ConfigurationError(f"{self.name}: {line}") from error
            raise StoreUnavailableError(f"{self.name}: {line}") from error


class FileWriter:
    """A file that is being written.

    Args:
        folder: The folder that it is in.
        stream: The open file.
    """

    def __init__(self, folder: Folder, stream: Any) -> None:
        self._folder, self._stream = folder, stream

    def write(self, data: bytes) -> None:
        """Append ``data``.

        Raises:
            ConfigurationError: The disk is full, or the storage refuses.
            StoreUnavailableError: The storage does not answer.
        """
        with self._folder._translated():  # noqa: SLF001  of this module
            self._stream.write(data)

    def close(self) -> None:
        """End the file."""
        with self._folder._translated():  # noqa: SLF001
            self._stream.close()


def _s3() -> pafs.FileSystem:
    storage = S3Storage.from_env()
    return pafs.S3FileSystem(
        endpoint_override=storage.endpoint,
        region=storage.region,
        connect_timeout=10,
        request_timeout=60,
    )


def _line(error: OSError) -> str:
    text = str(error).strip()
    return text.splitlines()[0] if text else type(error).__name__
