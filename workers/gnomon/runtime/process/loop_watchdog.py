"""The last resort: end the process when its event loop is stuck, or when it does not end itself.

A thread of its own, because nothing on a stuck loop can notice it, and because a call that hangs
in a thread keeps a Python process from ending.
"""

import asyncio
import faulthandler
import os
import sys
import threading
from collections.abc import Callable

CHECKS = 10


class Watchdog:
    """Expects a beat from the running event loop.

    Looks ``CHECKS`` times within ``limit_s`` and counts, instead of comparing times: a process
    that was frozen and goes on has missed one look, not all of them.

    Args:
        limit_s: Without a beat for so long, the process ends.
        end: Ends it, given the exit status; nothing is cleaned up.
    """

    def __init__(self, *, limit_s: float, end: Callable[[int], object] = os._exit) -> None:
        self._every_s, self._end = limit_s / CHECKS, end
        self._beat = self._missed = 0
        self._status: int | None = None
        self._wake = threading.Event()
        self._done = False
        self._beating: asyncio.Task[None] | None = None
        self._thread = threading.Thread(target=self._watch, name="gnomon.watchdog", daemon=True)

    def start(self) -> None:
        """Watch the running event loop."""
        self._beating = asyncio.create_task(self._beats(), name="gnomon.beats")
        self._thread.start()

    def end_within(self, limit_s: float, status: int) -> None:
        """The process is ending with ``status``: give it so long."""
        if self._beating is not None:
            self._beating.cancel()
        self._status, self._every_s = status, limit_s / CHECKS
        self._missed = 0
        self._wake.set()

    def dismiss(self) -> None:
        """Stop watching."""
        self._done = True
        self._wake.set()
        if self._beating is not None:
            self._beating.cancel()

    async def _beats(self) -> None:
        while True:
            self._beat += 1
            await asyncio.sleep(self._every_s / 2)

    def _watch(self) -> None:
        seen = -1
        while not self._done:
            self._missed = self._missed + 1 if self._beat == seen else 0
            if self._missed >= CHECKS:
                faulthandler.dump_traceback(sys.stderr)
                self._end(1 if self._status is None else self._status)
                return
            seen = self._beat
            if self._wake.wait(self._every_s):
                self._wake.clear()
