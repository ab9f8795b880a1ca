"""Files that hold a secret: created once, readable by their owner only, refused otherwise.

No function here raises while a variable holds the content of a file, because error reports show
local variables.
"""

import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from gnomon.errors import KeyUnavailableError

Key = TypeVar("Key")
_FILE_BYTES = 4096
"""Most bytes that are read: more than any key file has, so that a wrong file is not read whole."""


def write_private(path: Path, content: Callable[[], bytes]) -> None:
    """Write the result of ``content`` to a new file that only its owner may read.

    Raises:
        KeyUnavailableError: The file exists (it is not changed) or cannot be written.
    """
    if os.path.lexists(path):
        raise KeyUnavailableError(
            f"{path} exists and is never overwritten: without it, sealed data could not be opened"
        )
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise KeyUnavailableError(f"cannot write {path}: {error.strerror}") from error
    failure = _write(descriptor, content)
    if failure is not None:
        path.unlink()  # an incomplete key file is of no use and would block a second attempt
        raise KeyUnavailableError(f"cannot write {path}: {failure}")


def _write(descriptor: int, content: Callable[[], bytes]) -> str | None:
    """Write and close the file; return the reason if it failed."""
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content())
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        return error.strerror
    return None


def read_private(
    path: Path, parse: Callable[[bytes], Key | None], *, missing: str, expected: str
) -> Key:
    """Read a key file and parse its content.

    Args:
        path: The file.
        parse: Returns the key, or ``None`` if the bytes are no key; must not raise.
        missing: Error message if there is no such file.
        expected: Description of the expected content, for the error message.

    Raises:
        KeyUnavailableError: The file is missing, unreadable, not a key, or readable by others.
    """
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            key = parse(file.read(_FILE_BYTES))
    except FileNotFoundError:
        raise KeyUnavailableError(missing) from None
    except OSError as error:
        raise KeyUnavailableError(f"cannot read the key file {path}: {error.strerror}") from error
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise KeyUnavailableError(f"others may read the key file {path}: run chmod 600 {path}")
    if key is None:
        raise KeyUnavailableError(f"{path} is not {expected}")
    return key
