"""The last finished runs of one agent, of any task type and of each, however old they are.

The runs are one array of integers: the sum of up to ``RUNS`` runs, then the runs in order of
arrival. A run is ``duration_ns << 5 | succeeded``, so one sum adds up both.
"""

import sys
from array import array
from collections.abc import Sequence
from typing import Final, Self

import msgspec

from gnomon.features.memory import columns as stored
from gnomon.features.memory.window import NS

RUNS: Final = 20
"""The number of runs that an average of past runs covers."""
MAX_TYPES: Final = 1024
"""The number of task types that are remembered of one agent."""
_SHIFT: Final = 5
_SUCCEEDED: Final = (1 << _SHIFT) - 1


class RunsSummary(msgspec.Struct, frozen=True, gc=False):
    """The number of runs, their mean duration in seconds, and the share that succeeded."""

    n: int = 0
    mean_s: float | None = None
    success_rate: float | None = None


NO_RUNS: Final = RunsSummary()


def new_runs() -> "array[int]":
    """Make an array of no runs."""
    return array("q", (0,))


def summary(runs: "array[int] | None") -> RunsSummary:
    """Summarise an array of runs; ``None`` stands for no runs."""
    n = 0 if runs is None else len(runs) - 1
    if runs is None or not n:
        return NO_RUNS
    return RunsSummary(n, (runs[0] >> _SHIFT) / (n * NS), (runs[0] & _SUCCEEDED) / n)


class History:
    """The last runs of one agent.

    Attributes:
        overall: The last runs of any type.
        by_type: The last runs of each task type. Once there are ``MAX_TYPES``, a type moves to
            the end when one of its tasks finishes, and a new type replaces the first.
    """

    __slots__ = ("by_type", "overall")

    def __init__(self) -> None:
        self.overall = new_runs()
        self.by_type: dict[str, array[int]] = {}

    def add(self, task_type: str, duration_ns: int, succeeded: bool) -> None:  # noqa: FBT001
        """Count one finished run, of less than 2**53 ns, overall and for its type."""
        run = duration_ns << _SHIFT | succeeded
        same_type = self.by_type.get(task_type)
        if same_type is None or len(self.by_type) >= MAX_TYPES:
            same_type = self._move_to_end(task_type)
        for runs in (self.overall, same_type):
            if len(runs) > RUNS:
                runs[0] += run - runs.pop(1)
            else:
                runs[0] += run
            runs.append(run)

    def columns(self) -> tuple[bytes, list[tuple[str, bytes]]]:
        """Export ``overall`` and ``by_type`` for a snapshot."""
        by_type = [(name, stored.to_bytes(runs)) for name, runs in self.by_type.items()]
        return stored.to_bytes(self.overall), by_type

    @classmethod
    def restored(cls, overall: bytes, by_type: Sequence[tuple[str, bytes]]) -> Self:
        """Build the history that ``columns`` exported; ``ValueError`` if it cannot have."""
        history = cls()
        history.overall = _runs_of(overall)
        history.by_type = {sys.intern(name): _runs_of(runs) for name, runs in by_type}
        return history

    def _move_to_end(self, task_type: str) -> "array[int]":
        by_type = self.by_type
        runs = by_type.pop(task_type, None)
        if runs is None:
            runs = new_runs()
            if len(by_type) >= MAX_TYPES:
                del by_type[next(iter(by_type))]
        # Interned, because many agents do tasks of the same few types.
        by_type[sys.intern(task_type)] = runs
        return runs


def _runs_of(data: bytes) -> "array[int]":
    column = stored.to_array("q", data)
    if not 1 <= len(column) <= RUNS + 1:
        raise ValueError(f"{len(column) - 1} runs are not between 0 and {RUNS}")
    stored.check_within(column[1:], stored.RUNS_END)
    if sum(column[1:]) != column[0]:
        raise ValueError("the sum of the runs is not the sum beside them")
    return column
