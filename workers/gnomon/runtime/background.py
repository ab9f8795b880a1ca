"""Work of a stage beside its batches, which an error delays and never ends.

A task that dies does so without a word: what it followed stays as it was, and everything else looks
well. So work that fails is named, shown by ``/readyz``, and begun again.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterable

logger = logging.getLogger(__name__)


class BackgroundWork:
    """Runs ``work``, and runs it again after a pause whenever it ends or raises.

    Args:
        name: What the work does, for people: "following the control topic".
        work: Awaited again and again. It may call ``succeeded``; to return means the same.
        pause_s: Seconds until it is begun again.

    Attributes:
        error: Why it failed last; ``None`` after it has succeeded.
    """

    def __init__(self, name: str, work: Callable[[], Awaitable[None]], *, pause_s: float) -> None:
        self.error: str | None = None
        self._name, self._work, self._pause_s = name, work, pause_s
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Run it in the background."""
        self._task = asyncio.create_task(self._repeat(), name=f"gnomon.{self._name}")

    async def stop(self) -> None:
        """Cancel it, and wait until it has ended."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    def succeeded(self) -> None:
        """Note that the work does what it should."""
        if self.error is not None:
            logger.info("background.recovered", extra={"work": self._name})
        self.error = None

    async def _repeat(self) -> None:
        while True:
            try:
                await self._work()
            except Exception as error:  # the edge of a task: any error is named, and tried again
                if self.error != repr(error):
                    logger.warning(
                        "background.failed",
                        extra={"work": self._name, "reason": repr(error)},
                        exc_info=True,
                    )
                self.error = repr(error)
            else:
                self.succeeded()
            await asyncio.sleep(self._pause_s)

    def __str__(self) -> str:
        return f"{self._name}: {self.error}"


def failing(works: Iterable[BackgroundWork | None]) -> list[str]:
    """Return a sentence for each work that fails."""
    return [str(work) for work in works if work is not None and work.error is not None]
