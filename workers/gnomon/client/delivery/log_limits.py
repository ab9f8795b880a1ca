"""What a client says in the agent's log: at most one line a minute in the whole process."""

import logging
import time
from collections.abc import Callable

from gnomon.client.delivery.buffer import Buffer

logger = logging.getLogger("gnomon.client")
EVERY_S = 60.0


class Limiter:
    """Says yes at most once in ``EVERY_S`` seconds."""

    def __init__(self, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._clock_s = clock_s
        self._last_s: float | None = None

    def allows(self) -> bool:
        """Whether now is late enough; if so, the next time is counted from now."""
        now_s = self._clock_s()
        if self._last_s is not None and now_s - self._last_s < EVERY_S:
            return False
        self._last_s = now_s
        return True


PROCESS_LIMITER = Limiter()


def say(sentence: str, *values: object, limiter: Limiter | None = None) -> bool:
    """Write a line, or nothing if the process has had one in the last minute; returns which.

    All that a client logs is written here. Does not raise, whatever the agent's handlers do.
    """
    if not (PROCESS_LIMITER if limiter is None else limiter).allows():
        return False
    try:
        # A sentence, not fields: the agent's own log format shows no extra fields.
        logger.warning(f"gnomon: {sentence}", *values)  # noqa: G004  the sentence is ours
    except Exception:  # the agent's edge: the handlers are its own
        return False
    return True


class Reporter:
    """Says how a buffer fares. Only the background thread may call it; the agent sets ``note``."""

    def __init__(self, buffer: Buffer, *, limiter: Limiter | None = None) -> None:
        self.note: str | None = None
        self._buffer, self._limiter = buffer, limiter
        self._dropped = self._spoilt = 0

    def look(self) -> None:
        """Speak of refused events and of a full buffer, if there is any news of them."""
        if self.note is not None:
            note, self.note = self.note, None
            self.trouble(f"an event was refused, {note}")
        if (dropped := self._buffer.full + self._buffer.shed) != self._dropped:
            self._dropped = dropped
            self.trouble("the buffer is full")
        if (spoilt := self._buffer.spoilt) != self._spoilt:
            self._spoilt = spoilt
            self.trouble("an event was changed after it was given and cannot be sent")

    def trouble(self, reason: str) -> None:
        """Say what the matter is, with the figures of this moment."""
        stats = self._buffer.stats()
        say(
            "%s (delivered %d, waiting %d, failed %d, dropped %d); the agent is unaffected",
            reason,
            stats.delivered,
            stats.buffered + stats.in_flight,
            stats.failed,
            stats.dropped,
            limiter=self._limiter,
        )
