"""Ends a process with its parent.

A thread watches from the first moment, because a worker spends seconds importing modules before it has
an event loop. A supervised child notices the end by its standard input, any other process by having
been adopted.
"""

import contextlib
import os
import sys
import threading
import time
from collections.abc import Callable

ADOPTED_CHECK_S = 1.0


def await_end_of_input() -> None:
    """Return when the standard input has ended: its other end was the supervisor's."""
    with contextlib.suppress(ConnectionError):
        while os.read(sys.stdin.fileno(), 1):
            pass


def await_adoption() -> None:
    """Return when another process has become the parent, as soon as the first one has ended."""
    parent = os.getppid()
    while os.getppid() == parent:
        time.sleep(ADOPTED_CHECK_S)


class ParentMonitor:
    """Calls a callback when the parent ends; without a callback, ends the process at once.

    Args:
        await_end: Returns when the parent has ended.
    """

    def __init__(self, await_end: Callable[[], None] = await_end_of_input) -> None:
        self._lock = threading.Lock()
        self._ended = False
        self._callback: Callable[[], object] | None = None
        self._await_end = await_end
        threading.Thread(target=self._watch, name="gnomon.parent", daemon=True).start()

    def on_end(self, callback: Callable[[], object]) -> None:
        """Set the callback, which runs in another thread; it is called at once if the parent has ended."""
        with self._lock:
            self._callback = callback
            ended = self._ended
        if ended:
            callback()

    def _watch(self) -> None:
        self._await_end()
        with self._lock:
            self._ended = True
            callback = self._callback
        if callback is None:
            os._exit(1)  # nothing has started that needs an orderly end
        callback()


def tell_broker_answered() -> None:
    """Tell the supervisor, whose socket is the standard input, that a broker has answered."""
    with contextlib.suppress(OSError):  # a pipe or a terminal, if a person started the process
        os.write(sys.stdin.fileno(), b"1")
