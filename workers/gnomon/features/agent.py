"""Everything remembered of one agent, and what each of its events changes.

What counts is decided by event time against the agent's own newest event time, never by what
happens to be in memory still: ``kept_from_ms`` below is where individual finishes are forgotten,
whether or not they have been dropped yet. So neither the split into batches, nor a snapshot, nor a
tick can change a value.
"""

from array import array
from bisect import bisect_right, insort

from gnomon.events import TaskCancelled, TaskFinished
from gnomon.features.config import FLIGHT_MS, HOUR_MS
from gnomon.features.history import History
from gnomon.features.tasks import Ended, Flights, task_key
from gnomon.features.window import NS, Window, mark

_ROOM = 24
_FLIGHT_LONGER_MS = FLIGHT_MS - HOUR_MS


class Agent:
    """One agent.

    Attributes:
        newest_ms: Its newest event time.
        appended_ms: The broker's append time of the newest record of the partition when the
            agent was last heard of.
        window: Its finishes, late ones left out.
        late: Finish times of those that came too late for the window, ascending.
        forgotten_finish_ms: Newest finish time that is no longer in ``window`` or ``late``; -1 if
            there is none.
        history: Its last runs.
        flights: Its tasks in flight.
        ended: Its tasks that ended lately.
        shown: Finishes in the hour plus tasks in flight, as last written to agent-features.
        due_minute: Minute in which the state will look whether those have decayed; -1 if none.
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

    def __init__(self, *, newest_ms: int, appended_ms: int) -> None:
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

    def finish(self, event: TaskFinished, kept_from_ms: int) -> None:
        """Count one finish, unless one of the same task is remembered."""
        key = task_key(event.task_id)
        time_ms = event.finished_at_ms
        if not self.ended.finish(key, time_ms, kept_from_ms):
            return
        duration_ns = int(event.duration_s * NS + 0.5)
        succeeded = event.succeeded
        if self.flights.started:
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

    def knows(self, key: int, kept_from_ms: int) -> bool:
        """Whether the task is in flight, or its end is remembered: its start is a repeat."""
        return self.flights.holds(key, kept_from_ms - _FLIGHT_LONGER_MS) or self.ended.holds(
            key, kept_from_ms
        )

    def start(self, key: int, started_ms: int, kept_from_ms: int) -> None:
        """Put a task in flight."""
        self.flights.add(key, started_ms, kept_from_ms - _FLIGHT_LONGER_MS)

    def cancel(self, event: TaskCancelled, kept_from_ms: int) -> None:
        """Take a task out of flight and remember that it has ended."""
        key = task_key(event.task_id)
        self.flights.remove(key)
        self.ended.cancel(key, event.cancelled_at_ms, kept_from_ms)
        if len(self.ended.keys) >= self.room:
            self._forget(kept_from_ms)

    def last_finish_ms(self, until_ms: int, kept_from_ms: int) -> int | None:
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

    def late_between(self, after_ms: int, until_ms: int) -> int:
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
