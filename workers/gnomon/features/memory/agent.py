"""One agent's memory in Python: the definition that ``compiled/memory.pyx`` follows in C.

Whether a finish counts is decided by its event time and the agent's newest event time, never by
whether it happens to be in memory still: single finishes count as forgotten at or before
``retained_from_ms``, dropped or not. So neither the split into batches, nor a snapshot, nor a tick
changes a feature.
"""

from array import array
from bisect import bisect_right, insort
from typing import Self

from gnomon.events import FeatureVector, TaskCancelled, TaskFinished, TaskStarted
from gnomon.features.config import FLIGHT_MS, HOUR_MS
from gnomon.features.memory import columns as stored
from gnomon.features.memory.agent_memory import AgentColumns, CurrentFeatures, StartFeatures
from gnomon.features.memory.history import NO_RUNS, History, RunsSummary, summary
from gnomon.features.memory.tasks import EndedTasks, TasksInFlight, task_key
from gnomon.features.memory.window import NS, Window, pack_flags

_PRUNE_AT = 24
_FLIGHT_LONGER_MS = FLIGHT_MS - HOUR_MS


class Agent:
    """An ``AgentMemory``.

    Attributes:
        window: Finishes that are not late.
        late_times: Finish times of those that came too late for the window, ascending.
        forgotten_finish_ms: Newest finish time that is no longer in ``window`` or ``late_times``;
            -1 if there is none.
        history: The last runs.
        in_flight: The tasks in flight.
        ended: The tasks whose end is remembered.
        prune_at: Number of ended tasks at which to drop what is forgotten.
    """

    __slots__ = (
        "appended_ms", "due_minute", "ended", "forgotten_finish_ms", "history", "in_flight",
        "late_times", "newest_ms", "prune_at", "published_count", "window",
    )  # fmt: skip

    def __init__(self, newest_ms: int, appended_ms: int) -> None:
        self.newest_ms = newest_ms
        self.appended_ms = appended_ms
        self.window = Window()
        self.late_times: array[int] | None = None
        self.forgotten_finish_ms = -1
        self.history = History()
        self.in_flight = TasksInFlight()
        self.ended = EndedTasks()
        self.published_count = 0
        self.due_minute = -1
        self.prune_at = _PRUNE_AT

    def start(
        self, event: TaskStarted, appended_ms: int, retention_ms: int
    ) -> StartFeatures | None:
        """Put a task in flight; its features before it, or ``None`` if the start is a repeat."""
        t, key = event.started_at_ms, task_key(event.task_id)
        retained_from_ms = self._advance(t, appended_ms, retention_ms)
        in_flight_from_ms = retained_from_ms - _FLIGHT_LONGER_MS
        if self.in_flight.contains(key, in_flight_from_ms):
            return None
        if self.ended.contains(key, retained_from_ms):
            return None
        after_ms = max(t - HOUR_MS, retained_from_ms)
        self.window.select(after_ms, t)
        last_ms = self._last_finish_ms(t, retained_from_ms)
        vector = self._features(
            in_flight=self.in_flight.count(after_ms - _FLIGHT_LONGER_MS, t),
            since_finish_s=None if last_ms is None else (t - last_ms) / 1000,
            same_type=summary(self.history.by_type.get(event.task_type)),
            overall=summary(self.history.overall),
        )
        self.in_flight.add(key, t, in_flight_from_ms)
        return StartFeatures(vector, self._late_between(after_ms, t))

    def finish(self, event: TaskFinished, appended_ms: int, retention_ms: int) -> None:
        """Count one finish, unless a finish of the same task is remembered."""
        key, time_ms = task_key(event.task_id), event.finished_at_ms
        retained_from_ms = self._advance(time_ms, appended_ms, retention_ms)
        if not self.ended.finish(key, time_ms, retained_from_ms):
            return
        duration_ns = int(event.duration_s * NS + 0.5)
        succeeded = event.succeeded
        self.in_flight.remove(key)
        self.history.add(event.task_type, duration_ns, succeeded)
        if time_ms >= retained_from_ms + HOUR_MS:
            flags = pack_flags(succeeded, event.code_review_iterations, event.deployment_succeeded)
            self.window.add(time_ms, duration_ns, flags)
        elif time_ms > retained_from_ms:
            if self.late_times is None:
                self.late_times = array("q")
            insort(self.late_times, time_ms)
        elif time_ms > self.forgotten_finish_ms:
            self.forgotten_finish_ms = time_ms
        if len(self.ended.keys) >= self.prune_at:
            self._forget(retained_from_ms)

    def cancel(self, event: TaskCancelled, appended_ms: int, retention_ms: int) -> None:
        """Take a task out of flight and remember that it has ended."""
        key = task_key(event.task_id)
        retained_from_ms = self._advance(event.cancelled_at_ms, appended_ms, retention_ms)
        self.in_flight.remove(key)
        self.ended.cancel(key, event.cancelled_at_ms, retained_from_ms)
        if len(self.ended.keys) >= self.prune_at:
            self._forget(retained_from_ms)

    def current(self, as_of_ms: int) -> CurrentFeatures:
        """Compute the features at an instant not before the newest event time."""
        after_ms = as_of_ms - HOUR_MS
        self.window.select(after_ms, as_of_ms)
        return CurrentFeatures(
            self._features(in_flight=self.in_flight.count(as_of_ms - FLIGHT_MS, as_of_ms)),
            self._last_finish_ms(as_of_ms, -1),
            self._late_between(after_ms, as_of_ms),
        )

    def current_count(self, as_of_ms: int) -> int:
        """Count the finishes in the hour and the tasks in flight."""
        window = self.window
        window.select(as_of_ms - HOUR_MS, as_of_ms)
        return window.stop - window.first + self.in_flight.count(as_of_ms - FLIGHT_MS, as_of_ms)

    def decays_at_ms(self, as_of_ms: int) -> int:
        """When ``current_count`` will next decrease without a further event; -1 if it is zero."""
        window, times = self.window, self.in_flight.times
        window.select(as_of_ms - HOUR_MS, as_of_ms)
        oldest = bisect_right(times, as_of_ms - FLIGHT_MS)
        ends = [window.times[window.first] + HOUR_MS] if window.stop > window.first else []
        if oldest < len(times):
            ends.append(times[oldest] + FLIGHT_MS)
        return min(ends, default=-1)

    def columns(self) -> AgentColumns:
        """Export the memory for a snapshot."""
        times, durations, flags = self.window.columns()
        ended_keys, ended_codes = self.ended.columns()
        flight_keys, flight_times = self.in_flight.columns()
        overall, by_type = self.history.columns()
        return AgentColumns(
            self.newest_ms,
            self.appended_ms,
            self.forgotten_finish_ms,
            self.published_count,
            self.due_minute,
            self.prune_at,
            times=times,
            durations=durations,
            flags=flags,
            late_times=stored.to_bytes(self.late_times) if self.late_times else b"",
            ended_keys=ended_keys,
            ended_codes=ended_codes,
            flight_keys=flight_keys,
            flight_times=flight_times,
            overall=overall,
            by_type=by_type,
        )

    @classmethod
    def restored(cls, columns: AgentColumns) -> Self:
        """Build the memory that ``columns`` exported; ``ValueError`` if it cannot have."""
        agent = cls(columns.newest_ms, columns.appended_ms)
        agent.forgotten_finish_ms, agent.prune_at = columns.forgotten_finish_ms, columns.prune_at
        agent.published_count, agent.due_minute = columns.published_count, columns.due_minute
        agent.window = Window.restored(columns.times, columns.durations, columns.flags)
        agent.late_times = stored.times(columns.late_times) if columns.late_times else None
        agent.ended = EndedTasks.restored(columns.ended_keys, columns.ended_codes)
        agent.in_flight = TasksInFlight.restored(columns.flight_keys, columns.flight_times)
        agent.history = History.restored(columns.overall, columns.by_type)
        return agent

    def _features(
        self,
        *,
        in_flight: int,
        since_finish_s: float | None = None,
        same_type: RunsSummary = NO_RUNS,
        overall: RunsSummary = NO_RUNS,
    ) -> FeatureVector:
        """Compute every feature; those of the hour are over the selected part of the window."""
        window = self.window
        return FeatureVector(
            tasks_completed_1h=window.stop - window.first,
            avg_execution_time_1h=window.mean_duration_s(),
            success_rate_1h=window.success_rate(),
            code_review_iterations=window.mean_reviews(),
            median_execution_time_1h=window.median_duration_s(),
            deployment_success_rate_1h=window.deployment_success_rate(),
            tasks_in_flight=in_flight,
            seconds_since_last_finish=since_finish_s,
            same_type_runs=same_type.n,
            same_type_avg_execution_time=same_type.mean_s,
            same_type_success_rate=same_type.success_rate,
            agent_runs=overall.n,
            agent_avg_execution_time=overall.mean_s,
            agent_success_rate=overall.success_rate,
        )

    def _advance(self, time_ms: int, appended_ms: int, retention_ms: int) -> int:
        """Advance the agent's clocks; single finishes are remembered after the returned time."""
        self.appended_ms = appended_ms
        self.newest_ms = max(self.newest_ms, time_ms)
        return self.newest_ms - retention_ms

    def _last_finish_ms(self, until_ms: int, retained_from_ms: int) -> int | None:
        """The newest finish time at or before ``until_ms``, late finishes included.

        Of the finishes at or before ``retained_from_ms`` only the newest is remembered.
        """
        newest = _newest(self.window.times, until_ms)
        if self.late_times is not None:
            newest = max(newest, _newest(self.late_times, until_ms))
        if newest <= retained_from_ms:
            times, late = self.window.times, self.late_times
            newest = max(_newest(times, retained_from_ms), _newest(late, retained_from_ms))
            newest = max(newest, self.forgotten_finish_ms)
        return newest if 0 <= newest <= until_ms else None

    def _late_between(self, after_ms: int, until_ms: int) -> int:
        """Count the late finishes in ``(after_ms, until_ms]``."""
        if (late := self.late_times) is None:
            return 0
        return max(0, bisect_right(late, until_ms) - bisect_right(late, after_ms))

    def _forget(self, retained_from_ms: int) -> None:
        """Drop what is at or before ``retained_from_ms``; prune again at half as many ends more."""
        newest = self.window.forget(retained_from_ms)
        if (late := self.late_times) is not None:
            newest = max(newest, _newest(late, retained_from_ms))
            self.late_times = late[bisect_right(late, retained_from_ms) :] or None
        self.forgotten_finish_ms = max(self.forgotten_finish_ms, newest)
        self.ended.forget(retained_from_ms)
        self.prune_at = max(_PRUNE_AT, len(self.ended.keys) * 3 // 2)


def _newest(times: "array[int] | None", until_ms: int) -> int:
    """The last of the ascending ``times`` that is at most ``until_ms``, else -1."""
    if not times:
        return -1
    if times[-1] <= until_ms:
        return times[-1]
    at = bisect_right(times, until_ms)
    return times[at - 1] if at else -1
