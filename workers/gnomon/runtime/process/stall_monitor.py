"""Reports stalls, and ends the process when one does not resolve."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol

from aiokafka.errors import KafkaError
from faust.types import TP

from gnomon.errors import StalledError
from gnomon.runtime.partition.progress import Stall

logger = logging.getLogger(__name__)

END_OFFSETS_TIMEOUT_S = 10.0
EXIT_AFTER_LIMITS = 3.0
"""The process ends when a stall has lasted this many times the limit after which it is reported."""


class MonitoredWorker(Protocol):
    """The worker that is monitored."""

    def observe_end_offsets(self, ends: Mapping[int, Mapping[str, int]]) -> None:
        """Receive the offset after the last record, by partition and full topic name."""
        ...

    def stalls(self) -> Sequence[Stall]:
        """Return what has made no progress for too long."""
        ...


class StallMonitor:
    """Asks for end offsets, looks for stalls, and fails the worker when one lasts.

    Args:
        worker: What is monitored.
        end_offsets: Asks the brokers for the offset after the last record, by topic partition.
        last_error: Returns why the engine has ended by itself, ``None`` while it runs.
        stall_after_s: How long work without progress takes to be a stall.
        on_failure: Called with an error that must end the process.
    """

    def __init__(
        self,
        worker: MonitoredWorker,
        *,
        end_offsets: Callable[[], Awaitable[Mapping[TP, int]]],
        last_error: Callable[[], str | None],
        stall_after_s: float,
        on_failure: Callable[[BaseException], None],
    ) -> None:
        self._worker, self._end_offsets, self._last_error = worker, end_offsets, last_error
        self._stall_after_s, self._on_failure = stall_after_s, on_failure
        self._end_offsets_every_s = min(2.0, stall_after_s / 5)
        self._check_every_s = min(1.0, stall_after_s / 5)
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Start monitoring in the background."""
        for name, work in (
            ("end_offsets", self._poll_end_offsets()),
            ("stalls", self._poll_stalls()),
        ):
            task = asyncio.create_task(work, name=f"gnomon.monitor.{name}")
            task.add_done_callback(self._task_ended)
            self._tasks.append(task)

    async def stop(self) -> None:
        """Stop monitoring."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _poll_end_offsets(self) -> None:
        while True:
            try:
                async with asyncio.timeout(END_OFFSETS_TIMEOUT_S):
                    ends = await self._end_offsets()
                by_partition: dict[int, dict[str, int]] = defaultdict(dict)
                for tp, end in ends.items():
                    by_partition[tp.partition][tp.topic] = end
                self._worker.observe_end_offsets(by_partition)
            except (TimeoutError, KafkaError) as error:
                # Without an answer an idle partition makes no progress, which becomes a stall.
                logger.warning("lag.unknown", extra={"reason": repr(error)})
            await asyncio.sleep(self._end_offsets_every_s)

    async def _poll_stalls(self) -> None:
        reported: set[tuple[int | None, str]] = set()
        while True:
            if reason := self._last_error():
                self._on_failure(StalledError(reason))
            stalls = self._worker.stalls()
            for stall in stalls:
                if (stall.partition, stall.step) not in reported:
                    logger.error("worker.stalled", extra=dict(stall.as_dict()))
            reported = {(stall.partition, stall.step) for stall in stalls}
            worst = max(stalls, key=lambda stall: stall.for_s, default=None)
            if worst is not None and worst.for_s > EXIT_AFTER_LIMITS * self._stall_after_s:
                self._on_failure(StalledError(str(worst)))
            await asyncio.sleep(self._check_every_s)

    def _task_ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._on_failure(error)
