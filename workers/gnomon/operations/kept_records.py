"""Small records in the data folder: what a command leaves for exporter and dashboard."""

import os
import secrets
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import msgspec

from gnomon.errors import ConfigurationError

Record = TypeVar("Record", bound=msgspec.Struct)


def write_record(path: Path, record: msgspec.Struct) -> None:
    """Replace a record at once: a reader never sees half of it.

    Raises:
        ConfigurationError: It cannot be written.
    """
    made = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with made.open("xb") as file:
            file.write(msgspec.json.encode(record))
            file.flush()
            os.fsync(file.fileno())
        made.replace(path)
    except OSError as error:
        with suppress(OSError):
            made.unlink()
        raise ConfigurationError(f"cannot write {path}: {error.strerror or error}") from error


def read_record(path: Path, kind: type[Record], *, what: str) -> Record | None:
    """Return the record; ``None`` if there is none.

    Args:
        path: Its file.
        kind: Its class.
        what: What it is of, for the message.

    Raises:
        ConfigurationError: The file is no such record.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror or error}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path}: no record of {what}: {error}") from error
