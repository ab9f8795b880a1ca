"""Files that hold a secret: made once, for their owner alone, and refused when others may read them.

No function here raises while one of its variables holds what is in a file, so that a traceback
shows none of it.
"""

import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from gnomon.errors import KeyUnavailableError

Key = TypeVar("Key")
_FILE_BYTES = 4096
"""Far more than a key file holds, far less than a file given by mistake."""


def write_private(path: Path, content: Callable[[], bytes]) -> None:
    """Write what ``content`` makes to a new file that only its owner may read.

    Raises:
        KeyUnavailableError: The file exists (it is left as it is) or cannot be written.
    """
    if os.path.lexists(path):
        raise KeyUnavailableError(
            f"{path} exists and is never overwritten: what it sealed would be lost"
        )
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise KeyUnavailableError(f"cannot write {path}: {error.strerror}") from error
    failure = _write(descriptor, content)
    if failure is not None:
        path.unlink()  # a torn key would be refused, and stand in the way of a whole one
        raise KeyUnavailableError(f"cannot write {path}: {failure}")


def _write(descriptor: int, content: Callable[[], bytes]) -> str | None:
    """Write and close; what went wrong, if anything did."""
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
    """What ``parse`` makes of a file.

    Args:
        path: The file.
        parse: Gives ``None`` for what is no key, and does not raise.
        missing: Said if there is no such file.
        expected: What the file should have been, and what to do.

    Raises:
        KeyUnavailableError: It is not there, cannot be read, is no key, or others may read it.
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
