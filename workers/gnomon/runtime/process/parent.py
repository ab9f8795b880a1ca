"""A child ends with its parent, however that one ended: its standard input does too.

MonitoredWorker by a thread from the first moment, as a child spends seconds importing before it has an
event loop that could watch.
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
