"""Keeps what was read for a short time, so that ten browsers cost as much as one.

Of several that ask for the same at once, one reads and the others wait. Who has been here before does not
wait for long: while it is read anew, the page shows what was read last. A read that takes too long is left
alone: pages say so, and it is not begun a second time meanwhile. What takes long is read less often.
"""

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final, Generic, Literal, TypeVar, cast

from gnomon.errors import ConfigurationError, GnomonError

logger = logging.getLogger(__name__)

T = TypeVar("T")
MOST_KEPT: Final = 500
THREADS: Final = 6
PATIENCE_S: Final = 0.5
"""For how long a page waits for a read if it can show what was read before."""
OLD_S: Final = 60.0
"""From this age on, a page says how old its figures are."""
SHARE: Final = 10.0
"""A read that took a second is kept for at least as many seconds."""
TROUBLE_S: Final = 3.0
"""For how long an error is kept: something that is down is not asked by each browser again."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why something could not be read: it is ``missing``, ``down``, or ``slow``."""

    kind: Literal["missing", "down", "slow"]
    text: str


@dataclass(frozen=True, slots=True)
class Answer(Generic[T]):
    """What was read, perhaps some time ago, and what stood in the way of reading it now.

    Attributes:
        value: ``None`` if it was never read.
        read_at_s: When, by the clock of ``Cached``.
        trouble: What went wrong at the last attempt.
    """

    value: T | None
    read_at_s: float
    trouble: Trouble | None = None


@dataclass(slots=True)
class _Entry:
    answer: Answer[Any] | None = None
    good_until_s: float = 0.0
    running: Future[Any] | None = None


class Cached:
    """Reads in threads of its own. Safe in threads.

    Args:
        clock: Seconds, monotonic.
        limit_s: For how long a page waits for one read.
    """

    def __init__(self, *, clock: Callable[[], float], limit_s: float = 10.0) -> None:
        self._clock, self._limit_s = clock, limit_s
        self._lock = threading.Lock()
        self._entries: OrderedDict[Hashable, _Entry] = OrderedDict()
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="dashboard")

    def get(self, key: Hashable, read: Callable[[], T], *, ttl_s: float) -> Answer[T]:
        """Return what ``read`` returned at most ``ttl_s`` seconds ago; call it if that is too long ago."""
        with self._lock:
            entry = self._entry(key)
            if entry.answer is not None and self._clock() < entry.good_until_s:
                return cast("Answer[T]", entry.answer)
            running = entry.running
            if running is None:
                running = self._threads.submit(self._read, entry, read, ttl_s)
                entry.running = running
            before = entry.answer
        is_known = before is not None and before.value is not None
        try:
            answer: Answer[T] = running.result(PATIENCE_S if is_known else self._limit_s)
        except TimeoutError:
            return self._meanwhile(before)
        return answer

    def forget(self) -> None:
        """Read everything anew."""
        with self._lock:
            for entry in self._entries.values():
                entry.good_until_s = 0.0

    def close(self) -> None:
        """Begin no more reads."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _meanwhile(self, before: Answer[T] | None) -> Answer[T]:
        """Return what is shown while a read takes its time."""
        if before is None or before.value is None:
            slow = Trouble("slow", f"It takes longer than {self._limit_s:g} s to read this.")
            return Answer(None, 0.0, slow)
        if self._clock() - before.read_at_s < OLD_S:
            return before
        return Answer(before.value, before.read_at_s, Trouble("slow", "They are being read anew."))

    def _entry(self, key: Hashable) -> _Entry:
        entry = self._entries.setdefault(key, _Entry())
        self._entries.move_to_end(key)
        while len(self._entries) > MOST_KEPT:
            self._entries.popitem(last=False)
        return entry

    def _read(self, entry: _Entry, read: Callable[[], T], ttl_s: float) -> Answer[T]:
        before, began_s = entry.answer, self._clock()
        answer: Answer[T]
        try:
            answer = Answer(read(), self._clock())
        except Exception as error:  # a page tells it; nothing else depends on it
            value, read_at_s = (None, 0.0) if before is None else (before.value, before.read_at_s)
            answer, ttl_s = Answer(value, read_at_s, _trouble(error)), TROUBLE_S
        with self._lock:
            entry.answer, entry.running = answer, None
            now_s = self._clock()
            entry.good_until_s = now_s + max(ttl_s, SHARE * (now_s - began_s))
        return answer


def _trouble(error: Exception) -> Trouble:
    if isinstance(error, ConfigurationError):
        return Trouble("missing", str(error))
    if isinstance(error, GnomonError):
        return Trouble("down", str(error))
    logger.error("dashboard.read_failed", exc_info=error)
    return Trouble(
        "down", f"An error that was not expected ({type(error).__name__}); the log has it."
    )
