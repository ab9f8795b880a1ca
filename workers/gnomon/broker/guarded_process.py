"""A program that runs under ``guard`` and ends with this process."""

import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from gnomon.broker import guard

_KILL_S = 10.0


def guarded(*arguments: str) -> list[str]:
    """Return the arguments of this interpreter that run it with ``arguments`` under a quiet guard.

    Whoever starts it holds its standard input: when that ends, so does the program.
    """
    return ["-I", "-S", guard.__file__, "--quiet", sys.executable, *arguments]


class GuardedProcess:
    """A running program with its guard.

    Args:
        command: The program and its arguments.
        console: File for the program's output.
        descriptor: File descriptor that the program inherits.
        environ: Its environment; by default that of this process.

    Attributes:
        pid: Process id of the program; 0 before ``read_pid``, or if it could not be run.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        console: Path,
        descriptor: int | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        with console.open("wb") as output:
            self._guard = subprocess.Popen(  # noqa: S603  the caller's own command
                [sys.executable, "-I", "-S", guard.__file__, *command],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=output,
                bufsize=0,  # a command must reach the guard at once
                pass_fds=[] if descriptor is None else [descriptor],
                env=environ,
                start_new_session=True,  # Ctrl-C reaches only this process, which then stops it
            )
        self.pid = 0

    def read_pid(self) -> int:
        """Wait until the program runs; return its process id, or 0 if it could not be run.

        This is not part of the constructor, so that an interrupted caller can end the process.
        """
        pid_line = self._guard.stdout.readline() if self._guard.stdout else b""
        self.pid = int(pid_line) if pid_line.strip().isdigit() else 0
        return self.pid

    @property
    def running(self) -> bool:
        """Whether the program is running."""
        return self._guard.poll() is None

    def wait(self, timeout_s: float | None = None) -> int:
        """Wait until the program ends; return its exit status.

        Raises:
            subprocess.TimeoutExpired: It did not end within ``timeout_s``.
        """
        return self._guard.wait(timeout_s)

    def end(self, command: bytes, *, timeout_s: float) -> None:
        """Send a command of ``guard``; kill the program if it does not end within ``timeout_s``."""
        self._send(command)
        try:
            self._guard.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self._send(b"K")
            self._guard.wait(_KILL_S)
        for pipe in (self._guard.stdin, self._guard.stdout):
            if pipe is not None:
                pipe.close()

    def _send(self, command: bytes) -> None:
        try:
            if self._guard.stdin is not None:
                self._guard.stdin.write(command)
        except BrokenPipeError:
            pass  # the program has ended by itself
