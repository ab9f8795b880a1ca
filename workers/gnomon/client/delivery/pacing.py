"""Timing of a drain: retries, the time to its next step, and how long the broker has not answered."""

import random
from collections.abc import Callable
from typing import Final

from gnomon.client.delivery.buffer import Buffer

FIRST_S: Final = 0.1
MOST_S: Final = 10.0
TICK_S: Final = 0.02
"""The usual time between two steps of the drain: events linger for so long in the buffer."""
WARM_TICKS: Final = 12
"""So many idle steps come before the drain sleeps and the agent's next event has to wake it."""
LONGEST_SLEEP_S: Final = 5.0
EXPEDITED_S: Final = 0.005
"""Time to the next step while a caller waits for delivery, or while the client stops."""
BUSY_S: Final = 0.002
"""Time to the next step while the producer has no room and answers."""
FULL_S: Final = 0.05
"""The same while the producer has no room and has not answered for this long."""
UNREACHABLE_S: Final = 1.0
"""Without an answer for this long, the broker counts as unreachable."""
HALF_FULL_S: Final = 0.1
"""While the buffer is half full, events in flight go to the spool after so long without an answer."""
SILENT_S: Final = 5.0
"""Without an answer for this long, a line is logged."""


class Backoff:
    """Waits that double from ``FIRST_S`` to ``MOST_S``, each varied by up to a quarter."""

    def __init__(self) -> None:
        self._next_s = FIRST_S
        self._until_s = float("-inf")

    def allows(self, now_s: float) -> bool:
        """Return whether another try is allowed at ``now_s``."""
        return now_s >= self._until_s

    def failed(self, now_s: float) -> None:
        """Wait longer, because a try at ``now_s`` failed."""
        jitter = random.uniform(0.75, 1.25)  # noqa: S311  only keeps clients from meeting
        self._until_s = now_s + self._next_s * jitter
        self._next_s = min(self._next_s * 2, MOST_S)

    def succeeded(self) -> None:
        """Allow a try at once; the next wait is the shortest again."""
        self._next_s, self._until_s = FIRST_S, float("-inf")


class Silence:
    """Tracks how long the broker has not answered, and whether unsent events were taken back.

    Args:
        clock_s: Monotonic clock in seconds.

    Attributes:
        is_recalled: Whether the unsent events were taken back from the producer.
    """

    def __init__(self, clock_s: Callable[[], float]) -> None:
        self.is_recalled = False
        self._clock_s = clock_s
        self._last_answer_s = self._last_try_s = clock_s()
        self._had_error = False

    @property
    def duration_s(self) -> float:
        """Seconds since the latest answer, or since no answer was due."""
        return self._clock_s() - self._last_answer_s

    @property
    def is_unreachable(self) -> bool:
        """Whether the broker has been sent something and has not answered for a while."""
        return self.duration_s >= UNREACHABLE_S

    @property
    def is_long(self) -> bool:
        """Whether a line should be logged."""
        return self.duration_s >= SILENT_S

    def endangers_events(self, *, is_half_full: bool) -> bool:
        """Return whether events in flight should go to the spool; sooner with a half full buffer."""
        return self.duration_s >= (HALF_FULL_S if is_half_full else UNREACHABLE_S)

    @property
    def may_recall(self) -> bool:
        """Whether unsent events should be taken back from the producer.

        Not after an error: where a connection broke, unsent events may have been sent before.
        """
        if self._had_error or self.is_recalled:
            return False
        return self._clock_s() - max(self._last_answer_s, self._last_try_s) >= UNREACHABLE_S

    def end(self) -> None:
        """Note an answer of the broker."""
        self.nothing_is_due()
        self.is_recalled = self._had_error = False

    def nothing_is_due(self) -> None:
        """Begin to count anew, because no answer was due."""
        self._last_answer_s = self._clock_s()

    def note_error(self) -> None:
        """Note an error that the producer reported."""
        self._had_error = True

    def send_again(self) -> None:
        """Begin another try after events were taken back."""
        self.is_recalled, self._last_try_s = False, self._clock_s()


class Pace:
    """The time between two steps of a drain: a tick, less if a caller waits, more if it is idle.

    Args:
        buffer: Its ``idle`` flag is set while the drain sleeps.

    Attributes:
        is_expedited: Whether a caller waits for delivery; cleared once there is nothing to do.
    """

    def __init__(self, buffer: Buffer) -> None:
        self.is_expedited = False
        self._buffer = buffer
        self._idle_ticks = 0
        self._is_asleep = False

    def wake_up(self) -> bool:
        """Begin a step; return whether the drain slept before it."""
        self._buffer.idle = False
        slept, self._is_asleep = self._is_asleep, False
        return slept

    def next_step_s(
        self,
        *,
        is_idle: bool,
        in_flight: int,
        has_room: bool,
        has_time: bool,
        is_stopping: bool,
        silent_s: float,
    ) -> float:
        """End a step; return in how many seconds the next one is due.

        Args:
            is_idle: Whether no event waits, is in flight or is spooled.
            in_flight: How many events the producer has.
            has_room: Whether it may have more.
            has_time: Whether the step has ended before its time was over.
            is_stopping: Whether the drain was told to stop.
            silent_s: Seconds since the broker's latest answer.
        """
        self._idle_ticks = self._idle_ticks + 1 if is_idle else 0
        self.is_expedited = self.is_expedited and not self._idle_ticks
        if not has_time:
            return 0.0
        if in_flight and (self.is_expedited or is_stopping or not has_room):
            if has_room:
                return EXPEDITED_S
            # A full window that gets no answers is looked at less often.
            return BUSY_S if silent_s < FULL_S else FULL_S
        if self._idle_ticks > WARM_TICKS and not is_stopping:
            return self._sleep()
        return TICK_S

    def _sleep(self) -> float:
        """Let the agent's next event wake the thread: it does so only while the buffer is idle."""
        self._is_asleep = self._buffer.idle = True
        # An event may have come in before the flag was set.
        return TICK_S if self._buffer else LONGEST_SLEEP_S
