"""Defines a recorded run."""

from dataclasses import dataclass

from gnomon.events import TaskCancelled, TaskFinished, TaskStarted


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One recorded run. ``finished`` and ``cancelled`` are ``None`` if the run never ended."""

    started: TaskStarted
    finished: TaskFinished | None
    cancelled: TaskCancelled | None = None

    @property
    def end(self) -> TaskFinished | TaskCancelled | None:
        """Return how it ended, if it did."""
        return self.finished or self.cancelled
