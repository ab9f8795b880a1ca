"""No silent stall: what has stopped advancing is named, and in the end the process with it."""

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

ENDS_WITHIN_S = 10.0
EXIT_AFTER_LIMITS = 3.0
"""The process ends when a stall is this many times as old as one that is told."""


class MonitoredWorker(Protocol):
    """What is looked at."""

    def observe_end_offsets(self, ends: Mapping[int, Mapping[str, int]]) -> None:
        """Take note of where the log ends, by partition and full topic name."""
        ...

    def stalls(self) -> Sequence[Stall]:
        """What has not advanced for longer than it should."""
        ...


class StallMonitor:
    """Asks for the end of the log, looks for stalls, and ends what does not come back.

    Args:
        watched: The worker.
        ends: Asks the broker where the log ends.
        last_error: Why the engine has ended by itself, ``None`` while it lives.
        stall_after_s: When something is a stall.
        failed: Called with what is beyond hope.
    """

    def __init__(
        self,
        watched: MonitoredWorker,
        *,
        ends: Callable[[], Awaitable[Mapping[TP, int]]],
        last_error: Callable[[], str | None],
        stall_after_s: float,
        failed: Callable[[BaseException], None],
    ) -> None:
        self._watched, self._ends, self._death = watched, ends, last_error
        self._stall_after_s, self._failed = stall_after_s, failed
        self._ask_every_s = min(2.0, stall_after_s / 5)
        self._look_every_s = min(1.0, stall_after_s / 5)
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin to watch in the background."""
        for name, work in (("ask", self._ask()), ("look", self._look())):
            task = asyncio.create_task(work, name=f"gnomon.watch.{name}")
            task.add_done_callback(self._ended)
            self._tasks.append(task)

    async def stop(self) -> None:
        """Stop watching."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _ask(self) -> None:
        while True:
            try:
                async with asyncio.timeout(ENDS_WITHIN_S):
                    ends = await self._ends()
                by_partition: dict[int, dict[str, int]] = defaultdict(dict)
                for tp, end in ends.items():
                    by_partition[tp.partition][tp.topic] = end
                self._watched.observe_end_offsets(by_partition)
            except (TimeoutError, KafkaError) as error:
                # Nothing is observed, so what waits for the broker grows old and is a stall.
                logger.warning("lag.unknown", extra={"reason": repr(error)})
            await asyncio.sleep(self._ask_every_s)

    async def _look(self) -> None:
        told: set[tuple[int | None, str]] = set()
        while True:
            if why := self._death():
                self._failed(StalledError(why))
            stalls = self._watched.stalls()
            for stall in stalls:
                if (stall.partition, stall.step) not in told:
                    logger.error("worker.stalled", extra=dict(stall.as_dict()))
            told = {(stall.partition, stall.step) for stall in stalls}
            worst = max(stalls, key=lambda stall: stall.for_s, default=None)
            if worst is not None and worst.for_s > EXIT_AFTER_LIMITS * self._stall_after_s:
                self._failed(StalledError(str(worst)))
            await asyncio.sleep(self._look_every_s)

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._failed(error)
