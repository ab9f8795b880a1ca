"""Ends a child process with its parent: when the parent ends, the child's standard input does too.

A thread reads standard input from the first moment, because a child spends seconds importing modules
before it has an event loop.
"""

import os
import sys
import threading
from collections.abc import Callable


class ParentMonitor:
    """Calls a callback when the parent ends; without a callback, ends the process at once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ended = False
        self._callback: Callable[[], object] | None = None
        threading.Thread(target=self._watch, name="gnomon.parent", daemon=True).start()

    def on_end(self, callback: Callable[[], object]) -> None:
        """Set the callback, which runs in another thread; it is called at once if the parent has ended."""
        with self._lock:
            self._callback = callback
            ended = self._ended
        if ended:
            callback()

    def _watch(self) -> None:
        while os.read(sys.stdin.fileno(), 1):
            pass
        with self._lock:
            self._ended = True
            callback = self._callback
        if callback is None:
            os._exit(1)  # nothing has started that needs an orderly end
        callback()
