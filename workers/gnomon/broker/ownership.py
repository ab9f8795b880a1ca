"""Lock of a data directory, so that only one broker at a time uses it."""

import fcntl
import os
import time
from pathlib import Path

from gnomon.broker.failures import DataDirInUseError

_ORPHAN_EXIT_S = 10.0
_POLL_S = 0.1


class DataLock:
    """An exclusive lock on a file, shared with the child process that inherits its descriptor.

    The lock is released when this object is closed and the child has ended, for whatever reason.
    The file contains the process ids of the broker and of the process that started it.
    """

    def __init__(self, path: Path) -> None:
        """Take the lock.

        A broker whose starting process has died ends by itself within seconds; this waits for it.

        Raises:
            DataDirInUseError: Another broker holds the lock.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("a+", encoding="ascii")
        deadline = time.monotonic() + _ORPHAN_EXIT_S
        while not self._try():
            broker, starter = self._holders()
            if time.monotonic() > deadline or _is_alive(starter):
                self._file.close()
                raise DataDirInUseError(path.parent, pid=broker)
            time.sleep(_POLL_S)
        self.write_holders(broker_pid=None)

    @property
    def descriptor(self) -> int:
        """File descriptor that the broker inherits."""
        return self._file.fileno()

    def write_holders(self, *, broker_pid: int | None) -> None:
        """Write the ids of the processes that hold the lock, for other processes' messages."""
        self._file.truncate(0)
        self._file.write(f"{broker_pid or ''} {os.getpid()}")
        self._file.flush()

    def close(self) -> None:
        """Release this process's share of the lock."""
        self._file.close()

    def _try(self) -> bool:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _holders(self) -> tuple[str, str]:
        self._file.seek(0)
        broker, _, starter = self._file.read().partition(" ")
        return broker, starter


def _is_alive(pid: str) -> bool:
    try:
        os.kill(int(pid), 0)
    except (ProcessLookupError, ValueError):
        return False
    except PermissionError:
        pass
    return True
