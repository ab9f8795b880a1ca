"""When to try again: later each time, and not all clients at once."""

import random
from typing import Final

FIRST_S: Final = 0.1
MOST_S: Final = 10.0


class Backoff:
    """Waits that double from ``FIRST_S`` to ``MOST_S``, give or take a quarter."""

    def __init__(self) -> None:
        self._next_s = FIRST_S
        self._until_s = float("-inf")

    def allows(self, now_s: float) -> bool:
        """Whether ``now_s`` is late enough for another try."""
        return now_s >= self._until_s

    def failed(self, now_s: float) -> None:
        """A try at ``now_s`` failed."""
        jitter = random.uniform(0.75, 1.25)  # noqa: S311  only keeps clients from meeting
        self._until_s = now_s + self._next_s * jitter
        self._next_s = min(self._next_s * 2, MOST_S)

    def succeeded(self) -> None:
        """Try again at once; the next failure is a first one."""
        self._next_s, self._until_s = FIRST_S, float("-inf")
