"""One agent's memory in Python: the definition of what ``native`` does in C.

What counts is decided by event time against the agent's own newest event time, never by what
happens to be in memory still: ``kept_from_ms`` below is where individual finishes are forgotten,
whether or not they have been dropped yet. So neither the split into batches, nor a snapshot, nor a
tick can change a value.
"""

import sys
from array import array
from bisect import bisect_right, insort
from typing import Self

from gnomon.events import TaskCancelled, TaskFinished, TaskStarted
from gnomon.features import columns as stored
from gnomon.features.columns import to_bytes
from gnomon.features.config import FLIGHT_MS, HOUR_MS
from gnomon.features.figures import Columns, Known, Now
from gnomon.features.history import History, averages
from gnomon.features.tasks import Ended, Flights, task_key
from gnomon.features.window import NS, Window, mark

_ROOM = 24
_FLIGHT_LONGER_MS = FLIGHT_MS - HOUR_MS


class Agent:
    """An ``AgentMemory``.

    Attributes:
        window: Its finishes, late ones left out.
        late: Finish times of those that came too late for the window, ascending.
        forgotten_finish_ms: Newest finish time that is no longer in ``window`` or ``late``; -1 if
            there is none.
        history: Its last runs.
        flights: Its tasks in flight.
        ended: Its tasks that ended lately.
        room: Ended tasks at which to drop what is forgotten.
    """

    __slots__ = (
        "appended_ms",
        "due_minute",
        "ended",
        "flights",
        "forgotten_finish_ms",
        "history",
        "late",
        "newest_ms",
        "room",
        "shown",
        "window",
    )

    def __init__(self, newest_ms: int, appended_ms: int) -> None:
        self.newest_ms = newest_ms
        self.appended_ms = appended_ms
        self.window = Window()
        self.late: array[int] | None = None
        self.forgotten_finish_ms = -1
        self.history = History()
        self.flights = Flights()
        self.ended = Ended()
        self.shown = 0
        self.due_minute = -1
        self.room = _ROOM

    def start(self, event: TaskStarted, appended_ms: int, kept_ms: int) -> Known | None:
        """Put a task in flight; what was known before it, or ``None`` if it is a repeat."""
        t, key = event.started_at_ms, task_key(event.task_id)
        kept_from_ms = self._advance(t, appended_ms, kept_ms)
        flights_from_ms = kept_from_ms - _FLIGHT_LONGER_MS
        if self.flights.holds(key, flights_from_ms) or self.ended.holds(key, kept_from_ms):
            return None
        after_ms = max(t - HOUR_MS, kept_from_ms)
        self.window.show(after_ms, t)
        last_ms = self._last_finish_ms(t, kept_from_ms)
        known = (
            *self.window.figures(),
            self.flights.count(after_ms - _FLIGHT_LONGER_MS, t),
            None if last_ms is None else (t - last_ms) / 1000,
            *averages(self.history.by_type.get(event.task_type)),
            *averages(self.history.overall),
            self._late_between(after_ms, t),
        )
        self.flights.add(key, t, flights_from_ms)
        return known

    def finish(self, event: TaskFinished, appended_ms: int, kept_ms: int) -> None:
        """Count one finish, unless one of the same task is remembered."""
        key, time_ms = task_key(event.task_id), event.finished_at_ms
        kept_from_ms = self._advance(time_ms, appended_ms, kept_ms)
        if not self.ended.finish(key, time_ms, kept_from_ms):
            return
        duration_ns = int(event.duration_s * NS + 0.5)
        succeeded = event.succeeded
        self.flights.remove(key)
        self.history.add(event.task_type, duration_ns, succeeded)
        if time_ms >= kept_from_ms + HOUR_MS:
            marked = mark(succeeded, event.code_review_iterations, event.deployment_succeeded)
            self.window.add(time_ms, duration_ns, marked)
        elif time_ms > kept_from_ms:
            if self.late is None:
                self.late = array("q")
            insort(self.late, time_ms)
        elif time_ms > self.forgotten_finish_ms:
            self.forgotten_finish_ms = time_ms
        if len(self.ended.keys) >= self.room:
            self._forget(kept_from_ms)

    def cancel(self, event: TaskCancelled, appended_ms: int, kept_ms: int) -> None:
        """Take a task out of flight and remember that it has ended."""
        key = task_key(event.task_id)
        kept_from_ms = self._advance(event.cancelled_at_ms, appended_ms, kept_ms)
        self.flights.remove(key)
        self.ended.cancel(key, event.cancelled_at_ms, kept_from_ms)
        if len(self.ended.keys) >= self.room:
            self._forget(kept_from_ms)

    def now(self, as_of_ms: int) -> Now:
        """What is known at an instant not before the newest event time."""
        after_ms = as_of_ms - HOUR_MS
        self.window.show(after_ms, as_of_ms)
        return (
            *self.window.figures(),
            self.flights.count(as_of_ms - FLIGHT_MS, as_of_ms),
            self._last_finish_ms(as_of_ms, -1),
            self._late_between(after_ms, as_of_ms),
        )

    def counts(self, as_of_ms: int) -> int:
        """Finishes in the hour plus tasks in flight."""
        window = self.window
        window.show(as_of_ms - HOUR_MS, as_of_ms)
        return window.stop - window.first + self.flights.count(as_of_ms - FLIGHT_MS, as_of_ms)

    def decays_at_ms(self, as_of_ms: int) -> int:
        """When ``counts`` will next change if nothing more comes; -1 if it is zero."""
        window, times = self.window, self.flights.times
        window.show(as_of_ms - HOUR_MS, as_of_ms)
        oldest = bisect_right(times, as_of_ms - FLIGHT_MS)
        ends = [window.times[window.first] + HOUR_MS] if window.stop > window.first else []
        if oldest < len(times):
            ends.append(times[oldest] + FLIGHT_MS)
        return min(ends, default=-1)

    def columns(self) -> Columns:
        """Write it down."""
        window, history = self.window, self.history
        flights = sorted(self.flights.started.items())
        return Columns(
            self.newest_ms,
            self.appended_ms,
            self.forgotten_finish_ms,
            self.shown,
            self.due_minute,
            self.room,
            times=to_bytes(window.times),
            durations=to_bytes(window.durations),
            marks=to_bytes(window.marks),
            late=to_bytes(self.late) if self.late else b"",
            ended_keys=to_bytes(self.ended.keys),
            ended_whens=to_bytes(self.ended.whens),
            flight_keys=to_bytes(array("q", [key for key, _ in flights])),
            flight_times=to_bytes(array("q", [started_ms for _, started_ms in flights])),
            overall=to_bytes(history.overall),
            by_type=[(task_type, to_bytes(ring)) for task_type, ring in history.by_type.items()],
        )

    @classmethod
    def restored(cls, columns: Columns) -> Self:
        """What ``columns`` wrote down; ``ValueError`` if they do not fit one another."""
        agent = cls(columns.newest_ms, columns.appended_ms)
        agent.forgotten_finish_ms, agent.room = columns.forgotten_finish_ms, columns.room
        agent.shown, agent.due_minute = columns.shown, columns.due_minute
        window, ended = agent.window, agent.ended
        window.times = stored.times(columns.times)
        window.durations = stored.to_array("q", columns.durations)
        window.marks = stored.to_array("i", columns.marks)
        stored.check_within(window.durations, stored.DURATIONS_END_NS)
        stored.check_within(window.marks, 1 << 31)
        agent.late = stored.times(columns.late) if columns.late else None
        ended.keys = stored.to_array("q", columns.ended_keys)
        ended.whens = stored.to_array("q", columns.ended_whens)
        stored.check_ascending(ended.keys, strictly=True)
        stored.check_within(ended.whens, 2 * stored.TIMES_END_MS)
        if not len(window.times) == len(window.durations) == len(window.marks):
            raise ValueError("columns of a window of different lengths")
        if len(ended.keys) != len(ended.whens):
            raise ValueError("columns of ended tasks of different lengths")
        flight_keys = stored.to_array("q", columns.flight_keys)
        flight_times = stored.to_array("q", columns.flight_times)
        stored.check_ascending(flight_keys, strictly=True)
        stored.check_within(flight_times, stored.TIMES_END_MS)
        agent.flights.started = dict(zip(flight_keys, flight_times, strict=True))
        agent.flights.times = array("q", sorted(flight_times))
        agent.history.overall = stored.ring(columns.overall)
        agent.history.by_type = {
            sys.intern(task_type): stored.ring(data) for task_type, data in columns.by_type
        }
        return agent

    def _advance(self, time_ms: int, appended_ms: int, kept_ms: int) -> int:
        """Move the agent's clocks on; individual finishes are known after what is returned."""
        self.appended_ms = appended_ms
        self.newest_ms = max(self.newest_ms, time_ms)
        return self.newest_ms - kept_ms

    def _last_finish_ms(self, until_ms: int, kept_from_ms: int) -> int | None:
        """The newest finish known at or before ``until_ms``, late ones too.

        Of the finishes at or before ``kept_from_ms`` only the newest is known.
        """
        newest = _newest(self.window.times, until_ms)
        if self.late is not None:
            newest = max(newest, _newest(self.late, until_ms))
        if newest <= kept_from_ms:
            newest = max(self.forgotten_finish_ms, _newest(self.window.times, kept_from_ms))
            if self.late is not None:
                newest = max(newest, _newest(self.late, kept_from_ms))
        return newest if 0 <= newest <= until_ms else None

    def _late_between(self, after_ms: int, until_ms: int) -> int:
        """How many finishes of ``(after_ms, until_ms]`` came too late."""
        late = self.late
        if late is None:
            return 0
        return max(0, bisect_right(late, until_ms) - bisect_right(late, after_ms))

    def _forget(self, kept_from_ms: int) -> None:
        """Drop what is at or before ``kept_from_ms``; half as much again may then come in."""
        newest = self.window.forget(kept_from_ms)
        if self.late is not None:
            newest = max(newest, _newest(self.late, kept_from_ms))
            self.late = self.late[bisect_right(self.late, kept_from_ms) :] or None
        self.forgotten_finish_ms = max(self.forgotten_finish_ms, newest)
        self.ended.forget(kept_from_ms)
        self.room = max(_ROOM, len(self.ended.keys) * 3 // 2)


def _newest(times: "array[int]", until_ms: int) -> int:
    """The last of ``times`` that is at most ``until_ms``, else -1."""
    if not times:
        return -1
    last = times[-1]
    if last <= until_ms:
        return last
    at = bisect_right(times, until_ms)
    return times[at - 1] if at else -1
