"""How a client is flushed, closed and used as a context manager."""

import asyncio
import time
from collections.abc import Mapping
from typing import Final, Self, Unpack

from gnomon.client.capture.intake import Intake
from gnomon.client.capture.leniency import (
    CloseTimeoutKeyword,
    NoKeywords,
    TimeoutKeyword,
    take_argument,
)
from gnomon.client.process.background import POLL_S, wait_until
from gnomon.client.stats import Stats
from gnomon.client.values import seconds

FLUSH_S: Final = 2.0


class Lifecycle:
    """The part of a client that waits for its events to arrive, and ends it."""

    _intake: Intake

    @property
    def enabled(self) -> bool:
        """Whether events go anywhere at all."""
        return self._intake.enabled

    def stats(self, /, **unknown: Unpack[NoKeywords]) -> Stats:
        """Return what became of every event so far."""
        self._ignore(unknown)
        return self._intake.stats()

    def flush(self, timeout_s: float = FLUSH_S, /, **unknown: Unpack[TimeoutKeyword]) -> int:
        """Wait until the buffer is empty, at most ``timeout_s``.

        Spooled events are not waited for: they are kept until they are delivered.

        Returns:
            How many events did not arrive: those still waiting, and those refused meanwhile.
        """
        timeout_s = take_argument(timeout_s, FLUSH_S, "timeout_s", unknown)
        self._ignore(unknown)
        intake, failed = self._intake, self.stats().failed
        intake.expedite()
        wait_until(lambda: not intake.waiting(), timeout_s=self._seconds(timeout_s, FLUSH_S))
        return intake.waiting() + self.stats().failed - failed

    async def aflush(self, timeout_s: float = FLUSH_S, /, **unknown: Unpack[TimeoutKeyword]) -> int:
        """Do the same as ``flush`` without blocking the event loop."""
        timeout_s = take_argument(timeout_s, FLUSH_S, "timeout_s", unknown)
        self._ignore(unknown)
        intake, failed = self._intake, self.stats().failed
        intake.expedite()
        deadline_s = time.monotonic() + self._seconds(timeout_s, FLUSH_S)
        # The background thread knows of no event loop that it could call back.
        while intake.waiting() and time.monotonic() < deadline_s:  # noqa: ASYNC110
            await asyncio.sleep(POLL_S)
        return intake.waiting() + self.stats().failed - failed

    def close(
        self, timeout_s: float | None = None, /, **unknown: Unpack[CloseTimeoutKeyword]
    ) -> int:
        """Deliver for at most ``timeout_s`` (by default ``exit_timeout_s``), then end for good.

        Returns:
            How many accepted events never arrived.
        """
        timeout_s = take_argument(timeout_s, None, "timeout_s", unknown)
        self._ignore(unknown)
        default_s = self._intake.begin_close()
        return self._intake.end_close(self._seconds(timeout_s, default_s))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        left = await self.aflush(self._intake.exit_timeout_s)
        self.close(0.0 if left else None)

    def _ignore(self, unknown: Mapping[str, object]) -> None:
        """Count unknown keywords as invalid."""
        if unknown:
            self._intake.refuse("unknown argument")

    def _seconds(self, timeout_s: float | None, default_s: float) -> float:
        """Return ``timeout_s`` if it is a number of seconds, otherwise ``default_s``."""
        if timeout_s is None:
            return default_s
        found = seconds(timeout_s)
        if found is None:
            self._intake.refuse("timeout_s must be a finite number of seconds")
        return default_s if found is None else found
