"""What a worker tells of itself: whether it is ready, what stalls, and facts for ``/status``."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Generic, TypeVar

from gnomon.runtime.metrics import Metrics
from gnomon.runtime.partition.ports import CanBeDegraded, Stage
from gnomon.runtime.partition.progress import Stall
from gnomon.runtime.process.assigned_partitions import AssignedPartitions

State = TypeVar("State")


class WorkerHealth(Generic[State]):
    """The health of one worker, for its endpoints and for the monitor of stalls.

    Args:
        stage: What the worker runs.
        partitions: The partitions that it has.
        group: Name of the consumer group.
        metrics: Where the lag is shown.
        stall_after_s: How long work without progress takes to be a stall.
        clock_s: Monotonic seconds.
    """

    def __init__(
        self,
        stage: Stage[State],
        partitions: AssignedPartitions[State],
        *,
        group: str,
        metrics: Metrics,
        stall_after_s: float,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self.metrics = metrics
        self._stage, self._partitions, self._group = stage, partitions, group
        self._stall_after_s, self._clock_s = stall_after_s, clock_s
        self._started_at_s = clock_s()
        self._joining_since_s: float | None = self._started_at_s
        self._assigned = False

    @property
    def name(self) -> str:
        """Name of the stage."""
        return self._stage.name

    @property
    def ready(self) -> bool:
        """Whether partitions are assigned, have their state, and nothing stalls."""
        return (
            self._assigned
            and all(worker.ready for _, worker in self._partitions)
            and not self.stalls()
        )

    def joining(self) -> None:
        """Note that the worker waits for its partitions from now on."""
        self._joining_since_s = self._clock_s()

    def assigned(self) -> None:
        """Note that the worker has its partitions."""
        self._assigned, self._joining_since_s = True, None

    def stalls(self) -> Sequence[Stall]:
        """Return what has made no progress for too long; a mere stalled fetch comes last."""
        limit_s, name = self._stall_after_s, self._stage.name
        stalls = self._partitions.stalls(limit_s)
        if self._joining_since_s is not None:
            joining_s = self._clock_s() - self._joining_since_s
            if joining_s > limit_s:
                stalls.append(Stall(name, None, "joining", round(joining_s, 1), None))
        return sorted(stalls, key=lambda stall: stall.step == "fetch")

    def degraded(self) -> Sequence[str]:
        """Return what the stage works without; it stays ready."""
        return self._stage.degraded() if isinstance(self._stage, CanBeDegraded) else ()

    def status(self) -> Mapping[str, object]:
        """Return small facts for ``/status``."""
        return {
            "stage": self._stage.name,
            "group": self._group,
            "ready": self.ready,
            "uptime_s": round(self._clock_s() - self._started_at_s, 1),
            "stalls": [stall.as_dict() for stall in self.stalls()],
            "partitions": {str(number): worker.status() for number, worker in self._partitions},
            **self._stage.status(),
        }

    def observe_end_offsets(self, ends: Mapping[int, Mapping[str, int]]) -> None:
        """Update the lag from the offset after the last record, by partition and full topic name."""
        self._partitions.observe_end_offsets(ends)
        for number, worker in self._partitions:
            if number in ends:
                lag = worker.progress.lag or 0
                self.metrics.set("gnomon_lag_records", lag, self._stage.name, str(number))
