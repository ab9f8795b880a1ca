"""Waiting on the agent's side, for a bounded time."""

import time
from collections.abc import Callable


def wait_until(done: Callable[[], bool], *, timeout_s: float) -> bool:
    """Look every few milliseconds whether ``done``, for at most ``timeout_s``."""
    deadline_s = time.monotonic() + timeout_s
    while not done():
        if time.monotonic() >= deadline_s:
            return False
        time.sleep(0.005)
    return True
