"""Decides when the state of one partition is worth a snapshot, and writes it."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Generic, TypeVar

from gnomon.runtime.metrics import Metrics
from gnomon.runtime.partition.ports import SnapshotsInSteps, Stage
from gnomon.runtime.partition.progress import Progress
from gnomon.runtime.partition.snapshots import Snapshot, SnapshotStore
from gnomon.steps import take_turns

logger = logging.getLogger(__name__)
State = TypeVar("State")

MAX_UNSAVED_S = 0.5
"""How much processing time may be unsaved: a recovery has to repeat it."""
MIN_WORK_RATIO = 20.0
"""A snapshot that takes long to make is only due after this many times as long of processing."""


class Snapshotter(Generic[State]):
    """Tracks the work since the last snapshot of one partition.

    Args:
        stage: Serialises the state.
        partition: Whose state.
        store: Where snapshots go.
        metrics: Records how long they take.
        progress: Shows the step ``snapshotting``.
        clock_s: Monotonic seconds.
    """

    def __init__(
        self,
        stage: Stage[State],
        partition: int,
        *,
        store: SnapshotStore,
        metrics: Metrics,
        progress: Progress,
        clock_s: Callable[[], float],
    ) -> None:
        self._stage, self._partition, self._store = stage, partition, store
        self._metrics, self._progress, self._clock_s = metrics, progress, clock_s
        self._unsaved_s = self._last_snapshot_s = 0.0
        self._changed = False

    @property
    def due(self) -> bool:
        """Whether too much processing time is unsaved."""
        return self._unsaved_s >= max(MAX_UNSAVED_S, MIN_WORK_RATIO * self._last_snapshot_s)

    def recovered(self, duration_s: float, *, saved: bool) -> None:
        """Note how long recovery took; a long one is due at once, so that it is not repeated.

        Args:
            duration_s: How long.
            saved: Whether the state is that of a snapshot.
        """
        self._unsaved_s = duration_s
        self._changed = not saved

    def processed(self, duration_s: float) -> None:
        """Add the time that a batch took."""
        self._unsaved_s += duration_s

    def committed(self) -> None:
        """Note that the state has changed."""
        self._changed = True

    async def save(self, state: State, offsets: Mapping[str, int], logs: Mapping[str, str]) -> None:
        """Write a snapshot if anything has changed.

        A failed write is only logged: it makes the next recovery longer. The next call writes again, since
        retention may remove what no snapshot has.

        Args:
            state: What to save.
            offsets: Next offset to process, by full topic name.
            logs: Ids of the logs that it was folded from, by full topic name.
        """
        self._unsaved_s = 0.0
        changed, self._changed = self._changed, False
        if not (changed and self._stage.stateful):
            return
        self._progress.enter("snapshotting")
        began_s = self._clock_s()
        with self._metrics.time("gnomon_snapshot_seconds", self._stage.name):
            snapshot = Snapshot(dict(offsets), await self._serialise(state), dict(logs))
            self._last_snapshot_s = self._clock_s() - began_s
            try:
                await asyncio.to_thread(self._store.save, self._partition, snapshot)
            except OSError as error:
                self._changed = True
                self._metrics.count("gnomon_snapshot_failures_total", 1, self._stage.name)
                logger.warning(
                    "snapshot.not_written",
                    extra={"stage": self._stage.name, "reason": str(error)},
                )
        self._progress.advanced()

    async def _serialise(self, state: State) -> bytes:
        if isinstance(self._stage, SnapshotsInSteps):
            return await take_turns(self._stage.snapshot_steps(state))
        return self._stage.snapshot(state)
