"""Who may run a broker on a data directory: one process at a time, for as long as it lives."""

import fcntl
import os
import time
from pathlib import Path

from gnomon.broker.failures import DataDirInUseError

_WIND_UP_S = 10.0
_POLL_S = 0.1


class DataLock:
    """An exclusive lock on a file, shared with the child that inherits its descriptor.

    It is free again when this object is closed and that child has ended, however they end.
    The file says which processes hold it: the broker's id and its owner's.
    """

    def __init__(self, path: Path) -> None:
        """Take the lock.

        A broker whose owner has died ends by itself within seconds; that is waited for.

        Raises:
            DataDirInUseError: Another broker has it.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("a+", encoding="ascii")
        deadline = time.monotonic() + _WIND_UP_S
        while not self._try():
            broker, owner = self._holders()
            if time.monotonic() > deadline or _is_alive(owner):
                self._file.close()
                raise DataDirInUseError(path.parent, pid=broker)
            time.sleep(_POLL_S)
        self.held_by(broker_pid=None)

    @property
    def descriptor(self) -> int:
        """To be inherited by the broker."""
        return self._file.fileno()

    def held_by(self, *, broker_pid: int | None) -> None:
        """Write down who holds the lock, for the message to others."""
        self._file.truncate(0)
        self._file.write(f"{broker_pid or ''} {os.getpid()}")
        self._file.flush()

    def close(self) -> None:
        """Give up this process's share of the lock."""
        self._file.close()

    def _try(self) -> bool:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _holders(self) -> tuple[str, str]:
        self._file.seek(0)
        broker, _, owner = self._file.read().partition(" ")
        return broker, owner


def _is_alive(pid: str) -> bool:
    try:
        os.kill(int(pid), 0)
    except (ProcessLookupError, ValueError):
        return False
    except PermissionError:
        pass
    return True
