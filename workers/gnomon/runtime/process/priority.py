"""Lets a process yield to others on the same machine."""

import contextlib
import os
from pathlib import Path

AUTOGROUP = Path("/proc/self/autogroup")


def be_nice(increment: int) -> None:
    """Lower the priority of this process by ``increment``, against all other processes.

    Each stage is a session of its own. Where Linux groups processes by session (autogroup), niceness
    counts only within the session, and the session has a niceness of its own.
    """
    if not increment:
        return
    os.nice(increment)
    with contextlib.suppress(OSError):  # this kernel does not group by session, or does not say so
        AUTOGROUP.write_text(str(increment))
