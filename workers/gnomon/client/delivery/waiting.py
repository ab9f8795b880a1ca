"""Waiting on the agent's side, for a bounded time."""

import time
from collections.abc import Callable

from gnomon.client.delivery import background


def wait_until(done: Callable[[], bool], *, timeout_s: float) -> bool:
    """Look every few milliseconds whether ``done``, for at most ``timeout_s``.

    Once only in the background thread, as by a finalizer that the collector runs there: it would
    wait for itself.
    """
    if background.is_here():
        return done()
    deadline_s = time.monotonic() + timeout_s
    while not done():
        if time.monotonic() >= deadline_s:
            return False
        time.sleep(0.005)
    return True
