"""A spool's folder: names of files, the locks that tell the living from the dead, sizes.

``<name>.v1.owner`` is locked (``flock``) by who uses a process's files and holds the position up
to which all is settled; ``<name>.<number>.v1.spool`` are its segments. Names begin with the time,
so that they sort by age. The kernel lets go of a lock when its process dies, however it does.
Files of other versions are not touched.
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


def new_owner(folder: Path) -> tuple[str, int]:
    """A name nobody else has, and its lock. Makes the folder, for its owner only.

    Raises:
        OSError: The disk refuses.
    """
    folder.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
    for _ in range(NAME_TRIES):
        name = f"{time.time_ns():016x}-{os.getpid()}-{secrets.token_hex(8)}"
        lock_fd = lock(owner_path(folder, name))
        if lock_fd is not None:
            return name, lock_fd
    raise BlockingIOError("somebody takes every new file's lock")


def lock(path: Path) -> int | None:
    """Lock ``path``, which is made if need be; ``None`` if another has it or has deleted it."""
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


def owners(folder: Path) -> list[str]:
    """Names of the processes that have files in ``folder``, oldest first."""
    try:
        found = [_FILE.fullmatch(path.name) for path in folder.iterdir()]
    except FileNotFoundError:
        return []
    return sorted({match[1] for match in found if match})


def segments_of(folder: Path, name: str) -> list[tuple[int, Path]]:
    """Numbers and paths of a process's segments, oldest first."""
    found = [(_FILE.fullmatch(path.name), path) for path in folder.iterdir()]
    return sorted((int(m[2]), path) for m, path in found if m and m[1] == name and m[2])


def owner_path(folder: Path, name: str) -> Path:
    """Where a process's lock and position are."""
    return folder / f"{name}.v1.owner"


def segment_path(folder: Path, name: str, number: int) -> Path:
    """Where a segment is."""
    return folder / f"{name}.{number:08d}.v1.spool"


def bytes_in(folder: Path) -> int:
    """Size of all segments in ``folder``, whosoever's they are."""
    total = 0
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.endswith(".spool"):
                with contextlib.suppress(FileNotFoundError):
                    total += entry.stat(follow_symlinks=False).st_size
    return total


def sync_folder(folder: Path) -> None:
    """Have the disk keep which files there are."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
