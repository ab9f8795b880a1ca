"""The log lines about one client's buffer."""

from gnomon.client.delivery.buffer import Buffer
from gnomon.client.process.log_limits import Limiter, warn


class Reporter:
    """Logs how a buffer fares. Only the background thread calls it.

    Attributes:
        refusal: Why an event was refused lately. The agent's calls set it; ``check`` logs it.
    """

    def __init__(self, buffer: Buffer, *, limiter: Limiter | None = None) -> None:
        self.refusal: str | None = None
        self._buffer, self._limiter = buffer, limiter
        self._dropped = self._encode_failures = 0

    def check(self) -> None:
        """Log refused events and a full buffer, if there are new ones."""
        if self.refusal is not None:
            reason, self.refusal = self.refusal, None
            self.warn(f"an event was refused, {reason}")
        if (dropped := self._buffer.full + self._buffer.shed) != self._dropped:
            self._dropped = dropped
            self.warn("the buffer is full")
        if (failures := self._buffer.encode_failures) != self._encode_failures:
            self._encode_failures = failures
            self.warn("an event was changed after it was given and cannot be sent")

    def warn(self, problem: str) -> None:
        """Log ``problem`` with the counts of this moment."""
        stats = self._buffer.stats()
        warn(
            "%s (delivered %d, waiting %d, failed %d, dropped %d); the agent is unaffected",
            problem,
            stats.delivered,
            stats.buffered + stats.in_flight,
            stats.failed,
            stats.dropped,
            limiter=self._limiter,
        )
