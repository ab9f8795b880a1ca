"""The interface of an agent's memory, which exists in Python and compiled."""

from typing import Annotated, NamedTuple, Protocol, Self

import msgspec

from gnomon.events import FeatureVector, HourFeatures, TaskCancelled, TaskFinished, TaskStarted
from gnomon.features.memory.columns import TIMES_END_MS


class StartFeatures(msgspec.Struct, frozen=True, gc=False):
    """What was known of an agent before one of its tasks started.

    Attributes:
        vector: As of the start.
        late_dropped: Finishes of the hour that came too late to be in ``vector``.
    """

    vector: FeatureVector
    late_dropped: int


class CurrentFeatures(msgspec.Struct, frozen=True, gc=False):
    """What is known of an agent at an instant.

    Attributes:
        hour: As of the instant; only the fields of ``HourFeatures`` are set.
        last_finished_at_ms: Newest finish time, epoch ms; ``None`` before the first finish.
        late_dropped: Finishes of the hour that came too late to be in ``hour``.
    """

    hour: HourFeatures
    last_finished_at_ms: int | None
    late_dropped: int


# The bounds of what an agent can have written: beyond them the compiled sums could overflow.
_Time = Annotated[int, msgspec.Meta(ge=0, lt=TIMES_END_MS)]
_TimeOrNone = Annotated[int, msgspec.Meta(ge=-1, lt=TIMES_END_MS)]
_Timestamp = Annotated[int, msgspec.Meta(ge=-(2**63), lt=2**63 - 1)]
_Count = Annotated[int, msgspec.Meta(ge=0, lt=2**53)]


class AgentColumns(NamedTuple):
    """One agent in a snapshot: numbers, and columns of little-endian integers.

    The integers have 64 bits, those of ``flags`` 32. ``ended_keys``, ``flight_keys`` and each
    column of times are ascending; the columns beside them are in the same order. The runs of
    ``overall`` and ``by_type`` are in order of arrival, behind their sum.
    """

    newest_ms: _Time
    appended_ms: _Timestamp
    forgotten_finish_ms: _TimeOrNone
    published_count: _Count
    due_minute: Annotated[int, msgspec.Meta(ge=-1, lt=2**53)]
    prune_at: _Count
    times: bytes
    durations: bytes
    flags: bytes
    late_times: bytes
    ended_keys: bytes
    ended_codes: bytes
    flight_keys: bytes
    flight_times: bytes
    overall: bytes
    by_type: list[tuple[str, bytes]]


class AgentMemory(Protocol):
    """Everything remembered of one agent, and what each of its events changes.

    Attributes:
        newest_ms: Newest event time of the agent, epoch ms.
        appended_ms: Newest append time of the partition when the agent's last event was read.
        published_count: Finishes in the hour plus tasks in flight, as last written to
            agent-features.
        due_minute: Minute in which the state will check whether that count has decreased; -1 if
            no check is due.
    """

    newest_ms: int
    appended_ms: int
    published_count: int
    due_minute: int

    def __init__(self, newest_ms: int, appended_ms: int) -> None: ...

    def start(
        self, event: TaskStarted, appended_ms: int, retention_ms: int
    ) -> StartFeatures | None:
        """Put a task in flight.

        Here and below, ``appended_ms`` is the newest append time of the partition, and single
        finishes are remembered for ``retention_ms`` before the agent's newest event time.

        Returns:
            The features before the start; ``None`` if the start is a repeat.
        """
        ...

    def finish(self, event: TaskFinished, appended_ms: int, retention_ms: int) -> None:
        """Count one finish, unless a finish of the same task is remembered."""
        ...

    def cancel(self, event: TaskCancelled, appended_ms: int, retention_ms: int) -> None:
        """Take a task out of flight and remember that it has ended."""
        ...

    def current(self, as_of_ms: int) -> CurrentFeatures:
        """Compute the features at an instant not before the newest event time."""
        ...

    def current_count(self, as_of_ms: int) -> int:
        """Count the finishes in the hour and the tasks in flight.

        Time alone can only decrease either number, so it has changed one of them if and only if
        it has changed the sum.
        """
        ...

    def decays_at_ms(self, as_of_ms: int) -> int:
        """When ``current_count`` will next decrease without a further event; -1 if it is zero."""
        ...

    def columns(self) -> AgentColumns:
        """Export the memory for a snapshot."""
        ...

    @classmethod
    def restored(cls, columns: AgentColumns) -> Self:
        """Build the memory that ``columns`` exported.

        Raises:
            ValueError: A column is no whole number of integers, or not as long as its neighbour.
        """
        ...
