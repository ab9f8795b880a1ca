"""Files that hold a secret: created for their owner alone, refused where everyone may read them.

No function here raises while a variable holds the content of a file, because error reports show
local variables.
"""

import fcntl
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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


def replace_private(path: Path, change: Callable[[bytes], bytes]) -> None:
    """Replace the content of a private file in one step, keeping its mode and owner.

    A process that is killed leaves the old file or the new one.

    Raises:
        KeyUnavailableError: Another process replaces it, or it cannot be replaced.
    """
    target = path.resolve()  # a link stays a link
    following = target.with_name(f".{target.name}.next")
    with _alone_in(target.parent):
        following.unlink(missing_ok=True)  # a killed process left it; it was never in force
        write_private(following, lambda: change(target.read_bytes()))
        try:
            before = target.stat()
            following.chmod(stat.S_IMODE(before.st_mode))
            if (before.st_uid, before.st_gid) != (os.geteuid(), os.getegid()):
                os.chown(following, before.st_uid, before.st_gid)
            following.replace(target)
            _sync_folder(target.parent)
        except OSError as error:
            following.unlink(missing_ok=True)
            raise KeyUnavailableError(f"cannot replace {path}: {error.strerror}") from error


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Keep other processes from replacing files in ``folder``."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise KeyUnavailableError(f"cannot open {folder}: {error.strerror}") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        raise KeyUnavailableError(
            f"another command changes a key in {folder}: try again when it has ended"
        ) from error
    try:
        yield
    finally:
        os.close(descriptor)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


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
        KeyUnavailableError: The file is missing, unreadable, not a key, or open to others.
    """
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            key = parse(file.read(_FILE_BYTES))
    except FileNotFoundError:
        raise KeyUnavailableError(missing) from None
    except OSError as error:
        raise KeyUnavailableError(f"cannot read the key file {path}: {error.strerror}") from error
    refused = _refusal(status)
    if refused:
        raise KeyUnavailableError(f"the key file {path} {refused}")
    if key is None:
        raise KeyUnavailableError(f"{path} is not {expected}")
    return key


def _refusal(status: os.stat_result) -> str:
    """Return why a file of this mode and owner is too open, or an empty text.

    Kubernetes mounts a secret for a group (``fsGroup``) with mode 0440: a group that is ours may read.
    """
    mode = stat.S_IMODE(status.st_mode)
    if mode & stat.S_IRWXO:
        return (
            f"has mode {mode:04o}, so that everyone may use it: run chmod 600, or set `defaultMode: 0400`"
            " of the secret's volume in Kubernetes"
        )
    if mode & (stat.S_IWGRP | stat.S_IXGRP):
        return f"has mode {mode:04o}, so that its group may change it: run chmod 600"
    ours = status.st_uid == os.geteuid() or status.st_gid in {os.getegid(), *os.getgroups()}
    if mode & stat.S_IRGRP and not ours:
        return f"has mode {mode:04o}, and neither its owner nor its group is this process's"
    return ""
