"""A child ends with its parent, however that one ended: its standard input does too.

MonitoredWorker by a thread from the first moment, as a child spends seconds importing before it has an
event loop that could watch.
"""

import os
import sys
import threading
from collections.abc import Callable


class ParentMonitor:
    """Calls what ``on_end`` was given when the parent is gone; before that, ends the process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ended = False
        self._call: Callable[[], object] | None = None
        threading.Thread(target=self._watch, name="gnomon.parent", daemon=True).start()

    def on_end(self, call: Callable[[], object]) -> None:
        """Call ``call``, in another thread, when the parent ends; at once if it has."""
        with self._lock:
            self._call = call
            ended = self._ended
        if ended:
            call()

    def _watch(self) -> None:
        while os.read(sys.stdin.fileno(), 1):
            pass
        with self._lock:
            self._ended = True
            call = self._call
        if call is None:
            os._exit(1)  # nothing has begun that would have to be ended in order
        call()
