"""The corrections of intervals, followed on their topic without a restart."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from typing import Protocol

from gnomon.comparison.intervals.calibration import CorrectionTable
from gnomon.comparison.intervals.corrections import Corrections
from gnomon.errors import ConfigurationError, TransientError
from gnomon.records import SourceRecord

logger = logging.getLogger(__name__)


class ReadCorrections(Protocol):
    """Reads all partitions of interval-corrections from their beginning."""

    def __call__(self, *, follow: bool) -> AsyncIterator[SourceRecord]:
        """Yield its records, and wait for more at its end if ``follow``.

        Raises:
            TransientError: No broker answers.
            ConfigurationError: There is no such topic.
        """
        ...


class LiveCorrections:
    """Keeps the latest corrections. While the topic cannot be read, the last ones apply.

    Args:
        read: Reads the topic; ``None`` for models whose own intervals are never corrected.
        retry_s: Seconds between two attempts to read a topic that cannot be read.
    """

    def __init__(self, read: ReadCorrections | None, *, retry_s: float) -> None:
        self._read, self._retry_s = read, retry_s
        self._corrections = Corrections()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Read the topic to its end, if a broker answers, and then follow it."""
        if self._read is not None:
            with contextlib.suppress(TransientError, ConfigurationError):
                await self._read_to_end(self._read)
            self._task = asyncio.create_task(self._follow(self._read), name="gnomon.corrections")

    async def stop(self) -> None:
        """Stop following the topic."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    def of(self, sha256: str, partition: int) -> CorrectionTable:
        """Return the corrections of a model version for the next tasks of ``partition``."""
        return self._corrections.of(sha256, partition)

    @property
    def records(self) -> int:
        """Number of records of the topic that were read."""
        return self._corrections.records

    async def _read_to_end(self, read: ReadCorrections) -> None:
        """Fold the whole topic into a new table, since compacted records would stay in the old one."""
        corrections = Corrections()
        async for record in read(follow=False):
            corrections.apply(record)
        self._corrections = corrections

    async def _follow(self, read: ReadCorrections) -> None:
        while True:
            try:
                await self._read_to_end(read)
                async for record in read(follow=True):
                    self._corrections.apply(record)
            except (TransientError, ConfigurationError) as error:
                logger.debug("corrections.unavailable", extra={"reason": str(error)})
            await asyncio.sleep(self._retry_s)
