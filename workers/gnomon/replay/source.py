"""Reads recorded runs from a CSV file, and checks every line before anything is published."""

import csv
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from gnomon.errors import ConfigurationError
from gnomon.events import ContextValue, TaskFinished, TaskStarted

REQUIRED = ("run_id", "agent_id", "task_type", "started_at", "finished_at", "success")
OPTIONAL = (
    "duration_s",
    "estimate_s",
    "code_review_iterations",
    "deployment_succeeded",
    "error_type",
)
DEFAULT_CONTEXT = ("agent", "model", "instruction_chars")
"""Columns of the shipped example that are known when a run starts. Other columns must be named
explicitly, because a column that is known only afterwards would let a model see the future."""
MAX_ID_CHARS = 256

_TRUE, _FALSE = frozenset({"true", "1", "yes", "t"}), frozenset({"false", "0", "no", "f"})


class BadInputError(ConfigurationError):
    """The file cannot be replayed. The message gives its name and the line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One recorded run. ``finished`` is ``None`` if the run never ended."""

    started: TaskStarted
    finished: TaskFinished | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """Maps fields to columns of the file.

    Attributes:
        names: Column of each field of ``REQUIRED`` and ``OPTIONAL``. A field that is missing here
            has a column of its own name.
        context: Columns known at the start, which models may use; ``None`` for the columns of
            ``DEFAULT_CONTEXT`` that the file has.
    """

    names: Mapping[str, str] = field(default_factory=dict)
    context: Sequence[str] | None = None

    def of(self, name: str) -> str:
        """Return the column of the field ``name``."""
        return self.names.get(name, name)


def read_runs(path: Path, columns: Columns) -> list[Run]:
    """Read all runs of ``path``: CSV with a header, UTF-8, times in RFC 3339.

    Raises:
        BadInputError: The file or a column is missing, or a line is invalid.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return list(_runs(csv.DictReader(file, strict=True), path, columns))
    except OSError as error:
        raise BadInputError(f"{path}: {error.strerror}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise BadInputError(f"{path}: not a CSV file in UTF-8: {error}") from error


def _runs(reader: "csv.DictReader[str]", path: Path, columns: Columns) -> Iterator[Run]:
    header = reader.fieldnames or ()
    wanted = {columns.of(name) for name in REQUIRED} | set(columns.names.values())
    if missing := sorted((wanted | set(columns.context or ())) - set(header)):
        raise BadInputError(
            f"{path} line 1: no column {', '.join(map(repr, missing))}; the file has"
            f" {', '.join(map(repr, header))}; map columns with --map field=column"
        )
    context = columns.context
    if context is None:
        context = [name for name in DEFAULT_CONTEXT if name in header]
    seen: dict[tuple[str, str], int] = {}
    for row in reader:
        try:
            run = _run(row, columns, context)
        except ValueError as error:
            raise BadInputError(f"{path} line {reader.line_num}: {error}") from error
        key = (run.started.agent_id, run.started.task_id)
        if key in seen:
            raise BadInputError(
                f"{path} line {reader.line_num}: run {key[1]!r} of this agent is already on line"
                f" {seen[key]}"
            )
        seen[key] = reader.line_num
        yield run


def _run(row: Mapping[str, str | None], columns: Columns, context: Sequence[str]) -> Run:
    if None in row or None in row.values():
        raise ValueError("the number of fields differs from the header")
    values = {name: (row.get(columns.of(name)) or "").strip() for name in (*REQUIRED, *OPTIONAL)}
    for name in ("run_id", "agent_id", "task_type"):
        if not 1 <= len(values[name]) <= MAX_ID_CHARS:
            raise ValueError(f"{columns.of(name)}: expected 1 to {MAX_ID_CHARS} characters")
    started_at_ms = _epoch_ms(values["started_at"], columns.of("started_at"))
    started = TaskStarted(
        agent_id=values["agent_id"],
        task_id=values["run_id"],
        task_type=values["task_type"],
        started_at_ms=started_at_ms,
        estimate_s=_seconds(values["estimate_s"], columns.of("estimate_s")),
        context={name: _context((row.get(name) or "").strip()) for name in context},
    )
    return Run(started=started, finished=_finished(values, started, columns))


def _finished(
    values: Mapping[str, str], started: TaskStarted, columns: Columns
) -> TaskFinished | None:
    if not values["finished_at"]:
        return None
    finished_at_ms = _epoch_ms(values["finished_at"], columns.of("finished_at"))
    duration_s = _seconds(values["duration_s"], columns.of("duration_s"))
    iterations = values["code_review_iterations"]
    deployed = values["deployment_succeeded"]
    return TaskFinished(
        agent_id=started.agent_id,
        task_id=started.task_id,
        task_type=started.task_type,
        started_at_ms=started.started_at_ms,
        finished_at_ms=finished_at_ms,
        duration_s=(finished_at_ms - started.started_at_ms) / 1000
        if duration_s is None
        else duration_s,
        succeeded=_truth(values["success"], columns.of("success")),
        code_review_iterations=_count(iterations, columns.of("code_review_iterations"))
        if iterations
        else None,
        deployment_succeeded=_truth(deployed, columns.of("deployment_succeeded"))
        if deployed
        else None,
        error_type=values["error_type"][:MAX_ID_CHARS] or None,
    )


def _epoch_ms(text: str, column: str) -> int:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise ValueError(
            f"{column}: expected a time like 2025-07-11T19:11:55.399Z, got {text!r}"
        ) from error
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    epoch_ms = round(moment.timestamp() * 1000)
    if epoch_ms < 0:
        raise ValueError(f"{column}: {text!r} is before 1970")
    return epoch_ms


def _seconds(text: str, column: str) -> float | None:
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value >= 0):
        raise ValueError(f"{column}: expected seconds, not negative, got {text!r}")
    return value


def _count(text: str, column: str) -> int:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not (math.isfinite(value) and value >= 0 and value == int(value)):
        raise ValueError(f"{column}: expected a count, got {text!r}")
    return int(value)


def _truth(text: str, column: str) -> bool:
    word = text.lower()
    if word not in _TRUE and word not in _FALSE:
        raise ValueError(f"{column}: expected True or False, got {text!r}")
    return word in _TRUE


def _context(text: str) -> ContextValue:
    """Return ``text`` as a number if it is one, else as text; ``None`` if it is empty."""
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        return text[:1024]
    if not math.isfinite(value):
        return text
    return int(value) if value == int(value) and abs(value) < 2**53 else value
