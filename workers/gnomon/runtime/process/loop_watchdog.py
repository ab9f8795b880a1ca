"""Ends the process when its event loop is stuck, or when it does not end by itself.

The watchdog is a thread, because a stuck event loop cannot notice that it is stuck, and because a call
that hangs in another thread keeps a Python process from ending.
"""

import asyncio
import faulthandler
import os
import sys
import threading
from collections.abc import Callable

CHECKS = 10


class Watchdog:
    """Expects heartbeats from the running event loop.

    It checks ``CHECKS`` times within ``limit_s`` and counts missed heartbeats, instead of comparing
    times: a process that was suspended and continues has missed one check, not all of them.

    Args:
        limit_s: The process ends after this long without a heartbeat.
        end: Ends it with an exit status; nothing is cleaned up.
    """

    def __init__(self, *, limit_s: float, end: Callable[[int], object] = os._exit) -> None:
        self._every_s, self._end = limit_s / CHECKS, end
        self._heartbeats = self._missed = 0
        self._status: int | None = None
        self._wake = threading.Event()
        self._done = False
        self._heartbeat_task: asyncio.Task[None] | None = None
        self._thread = threading.Thread(target=self._watch, name="gnomon.watchdog", daemon=True)

    def start(self) -> None:
        """Watch the running event loop."""
        self._heartbeat_task = asyncio.create_task(
            self._send_heartbeats(), name="gnomon.heartbeats"
        )
        self._thread.start()

    def end_within(self, limit_s: float, status: int) -> None:
        """Give the process ``limit_s`` seconds to end by itself; then end it with ``status``."""
        if self._heartbeat_task is not None:
            self._heartbeat_task.cancel()
        self._status, self._every_s = status, limit_s / CHECKS
        self._missed = 0
        self._wake.set()

    def stop(self) -> None:
        """Stop watching."""
        self._done = True
        self._wake.set()
        if self._heartbeat_task is not None:
            self._heartbeat_task.cancel()

    async def _send_heartbeats(self) -> None:
        while True:
            self._heartbeats += 1
            await asyncio.sleep(self._every_s / 2)

    def _watch(self) -> None:
        seen = -1
        while not self._done:
            self._missed = self._missed + 1 if self._heartbeats == seen else 0
            if self._missed >= CHECKS:
                faulthandler.dump_traceback(sys.stderr)
                self._end(1 if self._status is None else self._status)
                return
            seen = self._heartbeats
            if self._wake.wait(self._every_s):
                self._wake.clear()
