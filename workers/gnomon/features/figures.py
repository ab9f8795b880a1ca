"""What is asked of an agent's memory, and how it answers."""

from typing import Annotated, NamedTuple, Protocol, Self

import msgspec

from gnomon.events import TaskCancelled, TaskFinished, TaskStarted
from gnomon.features.columns import TIMES_END_MS

Averages = tuple[int, float | None, float | None]
"""Runs, mean duration in seconds, success rate; ``None`` where there is no run."""

Hour = tuple[int, float | None, float | None, float | None, float | None, float | None]
"""Finishes, mean duration, success rate, mean reviews, median duration, deployment success rate.

Durations in seconds; ``None`` where there is nothing to average.
"""

Known = tuple[
    *Hour,
    int,  # tasks in flight
    float | None,  # seconds since the last finish
    *Averages,  # of the same task type
    *Averages,  # of any type
    int,  # finishes of the hour that came too late
]
"""All that a start is told of its agent."""

Now = tuple[
    *Hour,
    int,  # tasks in flight
    int | None,  # last finish, epoch ms
    int,  # finishes of the hour that came too late
]


# What an agent can have written: with other numbers the compiled form's sums could overflow.
_Time = Annotated[int, msgspec.Meta(ge=0, lt=TIMES_END_MS)]
_TimeOrNone = Annotated[int, msgspec.Meta(ge=-1, lt=TIMES_END_MS)]
_Timestamp = Annotated[int, msgspec.Meta(ge=-(2**63), lt=2**63 - 1)]
_Count = Annotated[int, msgspec.Meta(ge=0, lt=2**53)]


class Columns(NamedTuple):
    """One agent as numbers and columns of little-endian integers, 64 bits each, ``marks`` 32.

    ``ended_keys``, ``flight_keys`` and each of the times are ascending, what is beside them in
    their order. A ring is the sum of its runs and then the runs in order of arrival.
    """

    newest_ms: _Time
    appended_ms: _Timestamp
    forgotten_finish_ms: _TimeOrNone
    shown: _Count
    due_minute: Annotated[int, msgspec.Meta(ge=-1, lt=2**53)]
    room: _Count
    times: bytes
    durations: bytes
    marks: bytes
    late: bytes
    ended_keys: bytes
    ended_whens: bytes
    flight_keys: bytes
    flight_times: bytes
    overall: bytes
    by_type: list[tuple[str, bytes]]


class AgentMemory(Protocol):
    """Everything remembered of one agent, and what each of its events changes.

    Attributes:
        newest_ms: Its newest event time.
        appended_ms: The broker's append time of the newest record of the partition when the
            agent was last heard of.
        shown: Finishes in the hour plus tasks in flight, as last written to agent-features.
        due_minute: Minute in which the state will look whether those have decayed; -1 if none.
    """

    newest_ms: int
    appended_ms: int
    shown: int
    due_minute: int

    def __init__(self, newest_ms: int, appended_ms: int) -> None: ...

    def start(self, event: TaskStarted, appended_ms: int, kept_ms: int) -> Known | None:
        """Put a task in flight; what was known before it, or ``None`` if it is a repeat.

        Here and below, ``appended_ms`` is the newest append time of the partition, and single
        finishes are known for ``kept_ms`` before the agent's newest event time.
        """
        ...

    def finish(self, event: TaskFinished, appended_ms: int, kept_ms: int) -> None:
        """Count one finish, unless one of the same task is remembered."""
        ...

    def cancel(self, event: TaskCancelled, appended_ms: int, kept_ms: int) -> None:
        """Take a task out of flight and remember that it has ended."""
        ...

    def now(self, as_of_ms: int) -> Now:
        """What is known at an instant not before the newest event time."""
        ...

    def counts(self, as_of_ms: int) -> int:
        """Finishes in the hour plus tasks in flight: what the passing of time alone can change.

        Time only takes away from either, so it changes one of them if and only if it changes
        the sum.
        """
        ...

    def decays_at_ms(self, as_of_ms: int) -> int:
        """When ``counts`` will next change if nothing more comes; -1 if it is zero."""
        ...

    def columns(self) -> Columns:
        """Write it down."""
        ...

    @classmethod
    def restored(cls, columns: Columns) -> Self:
        """What ``columns`` wrote down.

        Raises:
            ValueError: A column is no whole number of integers, or not as long as its neighbour.
        """
        ...
