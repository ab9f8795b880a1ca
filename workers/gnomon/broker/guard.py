"""Run one program and end it when the parent process does: ``python guard.py PROGRAM …``.

A process of its own, because the parent may die without a word, and because Linux ties "end me
with my parent" to the parent's thread, which in a process with threads may end much earlier.

Writes the program's process id and a newline to standard output. Reads single letters from
standard input: ``T`` asks the program to end, ``K`` kills it; end of input (the parent is gone)
does the one and, after a while, the other. Uses the standard library only, to start fast.
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
    """Should the guard itself be killed, Linux kills the program. Elsewhere nothing does."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _obey(program: "subprocess.Popen[bytes]") -> None:
    while letter := os.read(0, 1):
        program.send_signal(signal.SIGKILL if letter == b"K" else signal.SIGTERM)
    program.terminate()
    try:
        program.wait(_GRACE_S)
    except subprocess.TimeoutExpired:
        program.kill()


def main(command: list[str]) -> int:
    """Run ``command``; return its status, or 128 and the signal's number as a shell does."""
    program = subprocess.Popen(  # noqa: S603  the command comes from our own parent
        command,
        stdin=subprocess.DEVNULL,
        stdout=2,
        close_fds=False,  # the lock of the data directory must live as long as the program
        preexec_fn=_die_with_guard,  # noqa: PLW1509  this process has one thread so far
    )
    os.write(1, f"{program.pid}\n".encode())
    threading.Thread(target=_obey, args=(program,), daemon=True).start()
    status = program.wait()
    return status if status >= 0 else 128 - status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
