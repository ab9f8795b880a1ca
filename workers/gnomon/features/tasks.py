"""Which of one agent's tasks are in flight, and which have ended: what a repeat is told by.

Task ids are kept as 63-bit residues, a quarter of the memory of strings.
"""

from array import array
from bisect import bisect_left, bisect_right, insort
from typing import Final

_PRIME: Final = (1 << 63) - 25
_ROOM = 16


def task_key(task_id: str) -> int:
    """Map a task id to 63 bits, the same in every process.

    The residue modulo a prime of the id as one long integer: half the time of a hash. Two of one
    agent's ids share a key only if that prime divides their difference, a chance below 2**-50
    for ids that were not made for it.
    """
    return int.from_bytes(task_id.encode() + b"\x01", "little") % _PRIME


class Flights:
    """Started tasks whose end has not been read.

    Attributes:
        started: Start time of each task, epoch ms, by key.
        times: The same start times, ascending.
    """

    __slots__ = ("started", "times")

    def __init__(self) -> None:
        self.started: dict[int, int] = {}
        self.times = array("q")

    def holds(self, key: int, after_ms: int) -> bool:
        """Whether a task in flight is known that started after ``after_ms``."""
        started_ms = self.started.get(key)
        return started_ms is not None and started_ms > after_ms

    def add(self, key: int, started_ms: int, after_ms: int) -> None:
        """Put a task in flight; those that started by ``after_ms`` may be forgotten."""
        times = self.times
        if len(times) >= _ROOM and times[len(times) >> 1] <= after_ms:
            self.started = {k: t for k, t in self.started.items() if t > after_ms}
            times = self.times = times[bisect_right(times, after_ms) :]
        self.remove(key)
        self.started[key] = started_ms
        insort(times, started_ms)

    def remove(self, key: int) -> None:
        """Take a task out of flight, if it is there."""
        started_ms = self.started.pop(key, None)
        if started_ms is not None:
            del self.times[bisect_left(self.times, started_ms)]

    def count(self, after_ms: int, until_ms: int) -> int:
        """How many started in ``(after_ms, until_ms]``."""
        times = self.times
        if not times:
            return 0
        stop = len(times) if times[-1] <= until_ms else bisect_right(times, until_ms)
        first = 0 if times[0] > after_ms else bisect_right(times, after_ms)
        return stop - first if stop > first else 0


class Ended:
    """Tasks that finished or were cancelled lately.

    Attributes:
        keys: Task keys, ascending.
        whens: ``end time in ms << 1 | finished``, beside ``keys``.
    """

    __slots__ = ("keys", "whens")

    def __init__(self) -> None:
        self.keys = array("q")
        self.whens = array("q")

    def holds(self, key: int, after_ms: int) -> bool:
        """Whether the task is known to have ended after ``after_ms``."""
        at = bisect_left(self.keys, key)
        return at < len(self.keys) and self.keys[at] == key and self.whens[at] >> 1 > after_ms

    def finish(self, key: int, time_ms: int, after_ms: int) -> bool:
        """Note a finish; False if one of the same task, later than ``after_ms``, is known.

        A finish that is itself not after ``after_ms`` is not remembered.
        """
        keys = self.keys
        at = bisect_left(keys, key)
        if at < len(keys) and keys[at] == key:
            when = self.whens[at]
            if when & 1 and when >> 1 > after_ms:
                return False
            if time_ms > after_ms:
                self.whens[at] = time_ms << 1 | 1
        elif time_ms > after_ms:
            keys.insert(at, key)
            self.whens.insert(at, time_ms << 1 | 1)
        return True

    def cancel(self, key: int, time_ms: int, after_ms: int) -> None:
        """Note a cancellation, unless an end of the task after ``after_ms`` is known."""
        if time_ms <= after_ms or self.holds(key, after_ms):
            return
        keys = self.keys
        at = bisect_left(keys, key)
        if at < len(keys) and keys[at] == key:
            self.whens[at] = time_ms << 1
        else:
            keys.insert(at, key)
            self.whens.insert(at, time_ms << 1)

    def forget(self, until_ms: int) -> None:
        """Drop every end at or before ``until_ms``."""
        kept = [
            (key, when)
            for key, when in zip(self.keys, self.whens, strict=True)
            if when >> 1 > until_ms
        ]
        self.keys = array("q", [key for key, _ in kept])
        self.whens = array("q", [when for _, when in kept])
