"""Says which columns of an export make a run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Self

from gnomon.replay.source.cells import EPOCH_MS, SECONDS
from gnomon.replay.source.words import TRUTH, Words

REQUIRED: Final = ("run_id", "agent_id", "task_type", "started_at", "finished_at", "success")
OPTIONAL: Final = (
    "duration_s",
    "estimate_s",
    "code_review_iterations",
    "deployment_succeeded",
    "error_type",
)
PARENT: Final = "parent_id"
"""Field that is read only where a column is named: a row that has one is a step of another run."""
FIELDS: Final = (*REQUIRED, *OPTIONAL, PARENT)
DEFAULT_CONTEXT: Final = ("agent", "model", "instruction_chars")
"""Columns of the shipped example that are known when a run starts. Other columns must be named
explicitly, because a column that is known only afterwards would let a model see the future."""
UNITS: Final[Mapping[str, tuple[str, ...]]] = {
    "duration_s": tuple(SECONDS),
    "estimate_s": tuple(SECONDS),
    "started_at": tuple(EPOCH_MS),
    "finished_at": tuple(EPOCH_MS),
}
"""Units that a field may be in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """Maps fields to columns of the file.

    Attributes:
        names: Column of each field of ``FIELDS``, as ``cells.Field`` reads it. A field that is missing
            here has a column of its own name; an empty text means that there is none.
        context: Columns known at the start, which models may use; ``None`` for the columns of
            ``DEFAULT_CONTEXT`` that the file has.
        optional_context: Whether columns of ``context`` may be missing from the file.
        units: Unit of durations (otherwise seconds) and of times that are numbers.
        time_format: Form of times that are not in RFC 3339, as ``strptime`` has it.
        words: What the texts in the column ``success`` say.
        each_retry: Whether a run id that occurs again is another run, a retry.
        has_gaps: Whether a row without agent, type or start is left out, because the system knows only
            a part of what it exports, and not refused.
    """

    names: Mapping[str, str] = field(default_factory=dict)
    context: Sequence[str] | None = None
    optional_context: bool = False
    units: Mapping[str, str] = field(default_factory=dict)
    time_format: str = ""
    words: Words = TRUTH
    each_retry: bool = False
    has_gaps: bool = False

    def of(self, name: str) -> str:
        """Return the column of the field ``name``; empty if there is none."""
        return self.names.get(name, "" if name == PARENT else name)

    def over(self, names: Mapping[str, str], units: Mapping[str, str]) -> Self:
        """Return the same with some columns and units named otherwise."""
        return replace(self, names={**self.names, **names}, units={**self.units, **units})
