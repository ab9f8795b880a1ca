"""A spool's folder: the names of its files, their sizes, and the locks of living processes.

A process has a name in the folder, which begins with the time so that names sort by age.
``<name>.<number>.v1.spool`` are its segments. ``<name>.v1.owner`` is its lock file: the process that
uses the segments holds the lock (``flock``), and the file contains the position up to which all
records are settled. The kernel releases the lock when the process dies, however it dies. Files of
other versions are not touched.
"""

import contextlib
import fcntl
import os
import re
import secrets
import time
from pathlib import Path
from typing import Final

FILE_MODE: Final = 0o600
FOLDER_MODE: Final = 0o700
NAME_TRIES: Final = 8
_FILE: Final = re.compile(r"([0-9a-f]+-[0-9]+-[0-9a-f]+)(?:\.([0-9]+)\.v1\.spool|\.v1\.owner)")


def create_lock(folder: Path) -> tuple[str, int]:
    """Choose a new name and lock it; return both. Makes the folder if need be, with mode 0700.

    Raises:
        OSError: The disk refuses.
    """
    folder.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
    for _ in range(NAME_TRIES):
        name = f"{time.time_ns():016x}-{os.getpid()}-{secrets.token_hex(8)}"
        lock_fd = lock(lock_path(folder, name))
        if lock_fd is not None:
            return name, lock_fd
    raise BlockingIOError("another process takes the lock of every new file")


def lock(path: Path) -> int | None:
    """Lock ``path``, made if need be; return its descriptor, ``None`` if it is locked or deleted."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, FILE_MODE)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(fd), path.stat()):
            return fd
    except (BlockingIOError, FileNotFoundError):
        pass
    except BaseException:
        os.close(fd)
        raise
    os.close(fd)
    return None


def process_names(folder: Path) -> list[str]:
    """Return the names of the processes that have files in ``folder``, oldest first."""
    try:
        found = [_FILE.fullmatch(path.name) for path in folder.iterdir()]
    except FileNotFoundError:
        return []
    return sorted({match[1] for match in found if match})


def segments_of(folder: Path, name: str) -> list[tuple[int, Path]]:
    """Return the numbers and paths of a process's segments, oldest first."""
    found = [(_FILE.fullmatch(path.name), path) for path in folder.iterdir()]
    return sorted((int(m[2]), path) for m, path in found if m and m[1] == name and m[2])


def lock_path(folder: Path, name: str) -> Path:
    """Return the path of a process's lock file."""
    return folder / f"{name}.v1.owner"


def segment_path(folder: Path, name: str, number: int) -> Path:
    """Return the path of a segment."""
    return folder / f"{name}.{number:08d}.v1.spool"


def bytes_in(folder: Path) -> int:
    """Return the size of all segments of all processes in ``folder``, in bytes."""
    total = 0
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.endswith(".spool"):
                with contextlib.suppress(FileNotFoundError):
                    total += entry.stat(follow_symlinks=False).st_size
    return total


def sync_folder(folder: Path) -> None:
    """Sync the list of files in ``folder`` to the disk."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
