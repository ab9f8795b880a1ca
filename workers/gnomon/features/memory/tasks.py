"""One agent's tasks that are in flight or have ended: repeated events are recognised by them.

Task ids are kept as 63-bit residues, which take a quarter of the memory of strings.
"""

from array import array
from bisect import bisect_left, bisect_right, insort
from typing import Final, Self

from gnomon.features.memory import columns as stored

_PRIME: Final = (1 << 63) - 25
_PRUNE_AT = 16


def task_key(task_id: str) -> int:
    """Map a task id to 63 bits, the same in every process.

    The key is the residue, modulo a prime, of the id's bytes as one integer: it takes half the
    time of a hash. Two ids share a key only if the prime divides their difference, which has a
    chance below 2**-50 for ids that were not chosen for it.
    """
    return int.from_bytes(task_id.encode() + b"\x01", "little") % _PRIME


class TasksInFlight:
    """Started tasks whose end has not been read.

    Attributes:
        started: Start time of each task, epoch ms, by key.
        times: The same start times, ascending.
    """

    __slots__ = ("started", "times")

    def __init__(self) -> None:
        self.started: dict[int, int] = {}
        self.times = array("q")

    def columns(self) -> tuple[bytes, bytes]:
        """Export the keys, ascending, and their start times for a snapshot."""
        in_order = sorted(self.started.items())
        keys = array("q", [key for key, _ in in_order])
        times = array("q", [started_ms for _, started_ms in in_order])
        return stored.to_bytes(keys), stored.to_bytes(times)

    @classmethod
    def restored(cls, keys: bytes, times: bytes) -> Self:
        """Build what ``columns`` exported; ``ValueError`` if it cannot have."""
        in_flight = cls()
        keys_column, times_column = stored.to_array("q", keys), stored.to_array("q", times)
        stored.check_ascending(keys_column, strictly=True)
        stored.check_within(times_column, stored.TIMES_END_MS)
        in_flight.started = dict(zip(keys_column, times_column, strict=True))
        in_flight.times = array("q", sorted(times_column))
        return in_flight

    def contains(self, key: int, after_ms: int) -> bool:
        """Whether the task is in flight and started after ``after_ms``."""
        started_ms = self.started.get(key)
        return started_ms is not None and started_ms > after_ms

    def add(self, key: int, started_ms: int, after_ms: int) -> None:
        """Put a task in flight; tasks that started by ``after_ms`` may be dropped."""
        times = self.times
        if len(times) >= _PRUNE_AT and times[len(times) >> 1] <= after_ms:
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
        """Count the tasks in flight that started in ``(after_ms, until_ms]``."""
        times = self.times
        if not times:
            return 0
        stop = len(times) if times[-1] <= until_ms else bisect_right(times, until_ms)
        first = 0 if times[0] > after_ms else bisect_right(times, after_ms)
        return stop - first if stop > first else 0


class EndedTasks:
    """Tasks that finished or were cancelled and are still remembered.

    Attributes:
        keys: Task keys, ascending.
        codes: ``end time in ms << 1 | finished``, in the order of ``keys``.
    """

    __slots__ = ("codes", "keys")

    def __init__(self) -> None:
        self.keys = array("q")
        self.codes = array("q")

    def columns(self) -> tuple[bytes, bytes]:
        """Export ``keys`` and ``codes`` for a snapshot."""
        return stored.to_bytes(self.keys), stored.to_bytes(self.codes)

    @classmethod
    def restored(cls, keys: bytes, codes: bytes) -> Self:
        """Build what ``columns`` exported; ``ValueError`` if it cannot have."""
        ended = cls()
        ended.keys, ended.codes = stored.to_array("q", keys), stored.to_array("q", codes)
        stored.check_ascending(ended.keys, strictly=True)
        stored.check_within(ended.codes, 2 * stored.TIMES_END_MS)
        if len(ended.keys) != len(ended.codes):
            raise ValueError("columns of ended tasks of different lengths")
        return ended

    def contains(self, key: int, after_ms: int) -> bool:
        """Whether the task is known to have ended after ``after_ms``."""
        at = bisect_left(self.keys, key)
        return at < len(self.keys) and self.keys[at] == key and self.codes[at] >> 1 > after_ms

    def finish(self, key: int, time_ms: int, after_ms: int) -> bool:
        """Add a finish; False if a finish of the task after ``after_ms`` is remembered.

        A finish at or before ``after_ms`` is not remembered.
        """
        keys = self.keys
        at = bisect_left(keys, key)
        if at < len(keys) and keys[at] == key:
            code = self.codes[at]
            if code & 1 and code >> 1 > after_ms:
                return False
            if time_ms > after_ms:
                self.codes[at] = time_ms << 1 | 1
        elif time_ms > after_ms:
            keys.insert(at, key)
            self.codes.insert(at, time_ms << 1 | 1)
        return True

    def cancel(self, key: int, time_ms: int, after_ms: int) -> None:
        """Add a cancellation, unless an end of the task after ``after_ms`` is remembered."""
        if time_ms <= after_ms or self.contains(key, after_ms):
            return
        keys = self.keys
        at = bisect_left(keys, key)
        if at < len(keys) and keys[at] == key:
            self.codes[at] = time_ms << 1
        else:
            keys.insert(at, key)
            self.codes.insert(at, time_ms << 1)

    def forget(self, until_ms: int) -> None:
        """Drop every end at or before ``until_ms``."""
        kept = [
            (key, code)
            for key, code in zip(self.keys, self.codes, strict=True)
            if code >> 1 > until_ms
        ]
        self.keys = array("q", [key for key, _ in kept])
        self.codes = array("q", [code for _, code in kept])
