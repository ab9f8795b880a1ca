"""Runs a program and ends it when the parent process ends: ``python guard.py [--quiet] PROGRAM …``.

The guard is a separate process, because the parent may be killed, and because Linux's signal on
the death of a parent is tied to the parent's thread, which may end long before its process.

It writes the program's process id and a newline to standard output, unless it is told to be quiet. It
reads commands of one byte from standard input: ``T`` terminates the program, ``K`` kills it. The end of
input means that the parent has ended: the program is then terminated, and killed if it does not end in
time. SIGTERM is passed on to the program. The guard uses the standard library only, to start fast.
"""

import ctypes
import os
import signal
import subprocess
import sys
import threading

_GRACE_S = 5.0
_PR_SET_PDEATHSIG = 1


def _die_with_guard() -> None:
    """Make Linux kill the program if the guard is killed. Other systems have no such signal."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _run_commands(program: "subprocess.Popen[bytes]") -> None:
    while command := os.read(0, 1):
        program.send_signal(signal.SIGKILL if command == b"K" else signal.SIGTERM)
    program.terminate()
    try:
        program.wait(_GRACE_S)
    except subprocess.TimeoutExpired:
        program.kill()


def main(command: list[str]) -> int:
    """Run ``command``; return its exit status, or 128 plus the signal's number as a shell does."""
    quiet = command[:1] == ["--quiet"]
    program = subprocess.Popen(  # noqa: S603  the command comes from our own parent
        command[1:] if quiet else command,
        stdin=subprocess.DEVNULL,
        stdout=2,
        close_fds=False,  # the program inherits the lock of the data directory
        preexec_fn=_die_with_guard,  # noqa: PLW1509  this process has one thread so far
        start_new_session=True,  # Linux shares the processor between sessions, by a niceness of theirs
    )
    signal.signal(signal.SIGTERM, lambda *_: program.terminate())
    if not quiet:
        os.write(1, f"{program.pid}\n".encode())
    threading.Thread(target=_run_commands, args=(program,), daemon=True).start()
    status = program.wait()
    return status if status >= 0 else 128 - status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
