"""The clients' log lines: at most one a minute in the whole process."""

import logging
import time
from collections.abc import Callable

logger = logging.getLogger("gnomon.client")
EVERY_S = 60.0


class Limiter:
    """Allows something at most once in ``EVERY_S`` seconds."""

    def __init__(self, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._clock_s = clock_s
        self._last_s: float | None = None

    def allows(self) -> bool:
        """Return whether it is allowed now; if so, the next ``EVERY_S`` begin now."""
        now_s = self._clock_s()
        if self._last_s is not None and now_s - self._last_s < EVERY_S:
            return False
        self._last_s = now_s
        return True


PROCESS_LIMITER = Limiter()


def warn(message: str, *values: object, limiter: Limiter | None = None) -> bool:
    """Log a warning, unless the process has logged one in the last minute; return whether it did.

    Every log line of a client is written here. Does not raise, whatever the agent's handlers do.
    """
    if not (PROCESS_LIMITER if limiter is None else limiter).allows():
        return False
    try:
        # A sentence, not fields: the agent's own log format shows no extra fields.
        logger.warning(f"gnomon: {message}", *values)  # noqa: G004  the message is ours
    except Exception:  # the agent's edge: the handlers are its own
        return False
    return True
