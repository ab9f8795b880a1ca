"""Makes the run of one row, and checks it as the stages will."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from gnomon import codec
from gnomon.errors import EventError
from gnomon.events import ContextValue, TaskCancelled, TaskEvent, TaskFinished, TaskStarted
from gnomon.records import Headers
from gnomon.replay.source import cells
from gnomon.replay.source.cells import Field, shown, text_of
from gnomon.replay.source.columns import FIELDS, PARENT, Columns
from gnomon.replay.source.context import Contexts
from gnomon.replay.source.remarks import unit_hint
from gnomon.replay.source.runs import Run
from gnomon.replay.source.words import TRUTH, Ended
from gnomon.topics import TASK_EVENTS

MAX_ID_CHARS: Final = 256
_FIELD_OF: Final = {
    "task_id": "run_id",
    "started_at_ms": "started_at",
    "finished_at_ms": "finished_at",
    "cancelled_at_ms": "finished_at",
    "succeeded": "success",
}
"""Field of the file for a field of the contract that has another name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """What the stages check beside the form of an event.

    Attributes:
        now_ms: Time at which the events would be published; ``None`` for no check of clocks.
        max_clock_ahead_ms: How far an event's time may be ahead of it.
    """

    now_ms: int | None = None
    max_clock_ahead_ms: int = 600_000


@dataclass(frozen=True, slots=True)
class _Record:
    """An event as a stage would read it."""

    value: bytes
    timestamp: int
    key: bytes | None = None
    topic: str = TASK_EVENTS.name
    partition: int = 0
    offset: int = 0
    headers: Headers = ()


class NoRun(Exception):  # noqa: N818  no error: the row is left out
    """A row is no run. The message says why, without values, so that rows can be counted by it."""


class Builder:
    """Makes runs of rows.

    Args:
        columns: Which columns make a run.
        fields: Where they are in this file.
        contexts: The context columns.
        door: What is checked at last.
    """

    def __init__(
        self, columns: Columns, fields: Mapping[str, Field], contexts: Contexts, door: Door
    ) -> None:
        self._columns, self._fields = columns, fields
        self._contexts, self._door = contexts, door

    def run(self, row: Mapping[str, object], number: int) -> Run:
        """Return the run of one row.

        Raises:
            NoRun: The row is no run.
            ValueError: The row is refused; the message begins with the column.
        """
        values = {name: self._text(name, row) for name in FIELDS}
        if values[PARENT]:
            raise NoRun(f"a step of another run, by its {self._columns.of(PARENT)}")
        ended = self._ended(values)
        self._require(values, row)
        started = self._started(values, self._contexts.read(row, number))
        end = self._end(values, started, ended)
        for event in (started, end):
            if event is not None:
                self._check(event, values)
        finished = end if isinstance(end, TaskFinished) else None
        cancelled = end if isinstance(end, TaskCancelled) else None
        return Run(started=started, finished=finished, cancelled=cancelled)

    def _ended(self, values: Mapping[str, str]) -> Ended:
        """Return how the run ended.

        Raises:
            NoRun: The word says that nothing was begun, or it has not begun.
        """
        word = values["success"]
        over = bool(
            values["finished_at"] or (not self._has("finished_at") and values["duration_s"])
        )
        try:
            ended = self._columns.words.of(word) if word or over else Ended.RUNNING
        except ValueError as error:
            raise self._refused("success", str(error)) from error
        if ended is Ended.LEFT_OUT:
            raise NoRun(f"{self._columns.of('success')} is {shown(word.lower())}")
        begun = values["started_at"] or not values["run_id"]
        if not begun and ended in {Ended.RUNNING, Ended.CANCELLED}:
            raise NoRun(f"it has not begun: no {self._columns.of('started_at')}")
        if not begun and self._columns.has_gaps:
            raise NoRun(f"no {self._columns.of('started_at')}")
        return ended if over else Ended.RUNNING

    def _require(self, values: Mapping[str, str], row: Mapping[str, object]) -> None:
        """Refuse a row without an id, an agent or a type.

        Raises:
            NoRun: The system that exported it need not know all of these.
            ValueError: One is missing or too long.
        """
        for name in ("run_id", "agent_id", "task_type"):
            if not values[name] and self._columns.has_gaps and name != "run_id":
                raise NoRun(f"no {self._columns.of(name)}")
            if 1 <= len(values[name]) <= MAX_ID_CHARS:
                continue
            found = self._fields.get(name)
            absent = found is not None and found.missing(list(row))
            hint = f"; the names are {shown(', '.join(row))}: --map {name}=…" if absent else ""
            raise self._refused(name, f"expected 1 to {MAX_ID_CHARS} characters{hint}")

    def _started(self, values: Mapping[str, str], context: dict[str, ContextValue]) -> TaskStarted:
        return TaskStarted(
            agent_id=values["agent_id"],
            task_id=values["run_id"],
            task_type=values["task_type"],
            started_at_ms=self._time("started_at", values),
            estimate_s=self._seconds("estimate_s", values),
            context=context,
        )

    def _end(
        self, values: Mapping[str, str], started: TaskStarted, ended: Ended
    ) -> TaskFinished | TaskCancelled | None:
        if ended is Ended.RUNNING:
            return None
        duration_s = self._seconds("duration_s", values)
        if values["finished_at"]:
            at_ms = self._time("finished_at", values)
        else:
            at_ms = started.started_at_ms + round((duration_s or 0.0) * 1000)
        if at_ms < started.started_at_ms:
            why = f"{shown(values['finished_at'])} is before {self._columns.of('started_at')}"
            raise self._refused("finished_at", why)
        if ended is Ended.CANCELLED:
            return TaskCancelled(
                agent_id=started.agent_id,
                task_id=started.task_id,
                cancelled_at_ms=at_ms,
                reason=values["success"],
            )
        return TaskFinished(
            agent_id=started.agent_id,
            task_id=started.task_id,
            task_type=started.task_type,
            started_at_ms=started.started_at_ms,
            finished_at_ms=at_ms,
            duration_s=(at_ms - started.started_at_ms) / 1000 if duration_s is None else duration_s,
            succeeded=ended is Ended.SUCCEEDED,
            code_review_iterations=self._count("code_review_iterations", values),
            deployment_succeeded=self._truth("deployment_succeeded", values),
            error_type=values["error_type"][:MAX_ID_CHARS] or None,
        )

    def _check(self, event: TaskEvent, values: Mapping[str, str]) -> None:
        """Refuse what the stages would refuse, by their own check."""
        value, now_ms = codec.encode(event), self._door.now_ms
        timestamp = codec.event_time_ms(event) if now_ms is None else now_ms
        try:
            codec.read_task_event(
                _Record(value, timestamp), max_clock_ahead_ms=self._door.max_clock_ahead_ms
            )
        except EventError as error:
            raise self._explained(error, event, values) from error

    def _explained(
        self, error: EventError, event: TaskEvent, values: Mapping[str, str]
    ) -> ValueError:
        if error.reason == "clock_ahead":
            name = "started_at" if isinstance(event, TaskStarted) else "finished_at"
            days = (codec.event_time_ms(event) - (self._door.now_ms or 0)) / 86_400_000
            hint = (
                "are day and month swapped? --time-format"
                if days > 1
                else "a time without its offset counts as UTC"
            )
            why = (
                f"{shown(values[name])} is {days:.1f} days in the future, which the stages refuse;"
            )
            return self._refused(name, f"{why} {hint}")
        if error.reason == "oversize":
            return ValueError(
                f"the run is too large for the stages ({error.detail}): leave out columns of --context"
            )
        expected, _, path = error.detail.rpartition("$.")
        name = path.rstrip("`").partition("[")[0].partition(".")[0]
        name = _FIELD_OF.get(name, name)
        if name not in FIELDS:
            return ValueError(f"the stages refuse it: {error.detail}")
        value, hint = shown(values[name]), ""
        if name == "duration_s" and isinstance(event, TaskFinished):
            value, hint = f"{event.duration_s:,.0f} s", unit_hint(event)
            name = name if values[name] else "finished_at"
        expected = expected.rpartition(" at `")[0].rstrip(" -") or error.detail
        return self._refused(name, f"{value} is refused by the stages: {expected}{hint}")

    def _has(self, name: str) -> bool:
        return name in self._fields

    def _text(self, name: str, row: Mapping[str, object]) -> str:
        found = self._fields.get(name)
        try:
            return "" if found is None else text_of(found.cell(row))
        except ValueError as error:
            raise self._refused(name, str(error)) from error

    def _time(self, name: str, values: Mapping[str, str]) -> int:
        unit, pattern = self._columns.units.get(name, ""), self._columns.time_format
        try:
            return cells.epoch_ms_of(values[name], unit=unit, pattern=pattern)
        except ValueError as error:
            raise self._refused(name, str(error)) from error

    def _seconds(self, name: str, values: Mapping[str, str]) -> float | None:
        try:
            return cells.seconds_of(values[name], self._columns.units.get(name, "s"))
        except ValueError as error:
            raise self._refused(name, str(error)) from error

    def _count(self, name: str, values: Mapping[str, str]) -> int | None:
        try:
            return cells.count_of(values[name])
        except ValueError as error:
            raise self._refused(name, str(error)) from error

    def _truth(self, name: str, values: Mapping[str, str]) -> bool | None:
        if not values[name]:
            return None
        said = TRUTH.by_word.get(values[name].lower())
        if said not in {Ended.SUCCEEDED, Ended.FAILED}:
            raise self._refused(
                name, f"expected a word such as true or false, got {shown(values[name])}"
            )
        return said is Ended.SUCCEEDED

    def _refused(self, name: str, why: str) -> ValueError:
        return ValueError(f"{self._columns.of(name)}: {why}")
