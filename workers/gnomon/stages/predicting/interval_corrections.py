"""The corrections of intervals, followed on their topic without a restart."""

import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Protocol

from gnomon.comparison.intervals.calibration import CorrectionTable
from gnomon.comparison.intervals.corrections import Corrections
from gnomon.errors import ConfigurationError, TransientError
from gnomon.records import SourceRecord
from gnomon.runtime.background import BackgroundWork, failing


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
        self._read = read
        self._corrections = Corrections()
        self._following = BackgroundWork("following the corrections", self._follow, pause_s=retry_s)

    async def start(self) -> None:
        """Read the topic to its end, if a broker answers, and then follow it."""
        if self._read is not None:
            with contextlib.suppress(TransientError, ConfigurationError):
                await self._read_to_end(self._read)
            self._following.start()

    async def stop(self) -> None:
        """Stop following the topic."""
        await self._following.stop()

    def degraded(self) -> Sequence[str]:
        """Return what keeps the corrections from being up to date, a sentence each."""
        return failing((self._following,))

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

    async def _follow(self) -> None:
        if self._read is None:
            return
        await self._read_to_end(self._read)
        self._following.succeeded()
        async for record in self._read(follow=True):
            self._corrections.apply(record)
