"""Reads recorded runs from a file, and checks every row before anything is published."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from gnomon.replay.source.building import Builder, Door, NoRun
from gnomon.replay.source.cells import Field
from gnomon.replay.source.columns import DEFAULT_CONTEXT, FIELDS, REQUIRED, Columns
from gnomon.replay.source.context import ContextColumn, Contexts
from gnomon.replay.source.formats.rows import (
    BadInputError,
    BadRowError,
    Reading,
    Row,
    Rows,
    open_rows,
)
from gnomon.replay.source.remarks import Durations, Estimates, Times
from gnomon.replay.source.repeats import Repeats
from gnomon.replay.source.runs import Run

_LATER: Final = ("finished_at", "success")
"""Required fields that a run has only when it has ended."""


@dataclass(slots=True)
class Export:
    """What was read from a file.

    Attributes:
        layout: Its format, for people; ``unit`` is what its rows are numbered by.
        runs: The runs, in the order of the file.
        fields: Column of each field that was read.
        context: The context columns.
        left_out: Number of rows that are no runs, by the reason.
        remarks: What somebody should look at.
        error: Why reading ended before the end of the file.
    """

    layout: str = ""
    unit: str = "line"
    runs: list[Run] = field(default_factory=list)
    fields: dict[str, str] = field(default_factory=dict)
    context: list[ContextColumn] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    remarks: list[str] = field(default_factory=list)
    error: BadInputError | None = None


def read_runs(path: Path, columns: Columns, *, door: Door | None = None) -> list[Run]:
    """Read all runs of ``path``.

    Raises:
        BadInputError: The file or a column is missing, or a row is invalid.
    """
    return checked(read_export(path, columns, door=door)).runs


def checked(export: Export) -> Export:
    """Return ``export``.

    Raises:
        BadInputError: It could not be read to its end.
    """
    if export.error is not None:
        raise export.error
    return export


def read_export(
    path: Path, columns: Columns, *, door: Door | None = None, reading: Reading | None = None
) -> Export:
    """Read ``path`` row by row, up to its end or the first row that is refused.

    Args:
        path: CSV, JSON lines, a JSON array, or Parquet; the ending of the name says which.
        columns: Which columns make a run.
        door: What the stages check beside the form of an event.
        reading: Separator and encoding, if they are to be as said.
    """
    export = Export()
    said = reading or Reading()
    wanted = Reading(
        separator=said.separator, encoding=said.encoding, columns=_all_columns(columns)
    )
    try:
        with open_rows(path, wanted) as rows:
            _Reader(path, columns, rows, door or Door()).read(export)
    except BadInputError as error:
        export.error = error
    return export


def _all_columns(columns: Columns) -> tuple[str, ...]:
    names = [columns.of(name) for name in FIELDS] + list(columns.context or DEFAULT_CONTEXT)
    return tuple(part for name in names if name for part in (name, *Field(name, None).columns()))


class _Reader:
    """Reads the rows of one open file."""

    def __init__(self, path: Path, columns: Columns, rows: Rows, door: Door) -> None:
        self._path, self._columns, self._rows = path, columns, rows
        self._fields = self._found_fields()
        self._contexts = Contexts(self._found_context())
        self._builder = Builder(columns, self._fields, self._contexts, door)
        self._remarks = (
            Durations(columns.of("duration_s")),
            Estimates(columns.of("estimate_s")),
            Times(columns.of("started_at")),
        )
        self._repeats = Repeats(each_retry=columns.each_retry, unit=rows.unit)

    def read(self, export: Export) -> None:
        """Add what is read to ``export``.

        Raises:
            BadInputError: A row is invalid; what was read before it is in ``export``.
        """
        export.layout, export.unit = self._rows.layout, self._rows.unit
        export.fields = {name: found.text for name, found in self._fields.items()}
        export.context = list(self._contexts.columns.values())
        try:
            for row in self._each():
                self._add(row, export)
            self._require_ends(export)
        finally:
            for run in export.runs:
                self._contexts.convert(run.started.context)
            export.remarks += [said for each in self._remarks for said in each.remarks()]
            export.remarks += [
                f"{each.name}: {each.cut} texts are cut to 1,024 characters"
                for each in export.context
                if each.cut
            ]
        export.runs[:] = self._repeats.numbered(export.runs)

    def _each(self) -> Iterator[Row]:
        try:
            yield from self._rows
        except BadRowError as error:
            raise self._bad(error.number, str(error)) from error

    def _add(self, row: Row, export: Export) -> None:
        try:
            run = self._builder.run(row.cells, row.number)
            self._repeats.check(run, row.number)
        except NoRun as reason:
            export.left_out[str(reason)] += 1
            return
        except ValueError as error:
            raise self._bad(row.number, str(error)) from error
        for each in self._remarks:
            each.add(run)
        export.runs.append(run)

    def _found_fields(self) -> dict[str, Field]:
        """Return where each field is that the file has.

        Raises:
            BadInputError: The file has no column for a required field.
        """
        header, columns = self._rows.header, self._columns
        fields = {name: Field(columns.of(name), header) for name in FIELDS if columns.of(name)}
        if header is None:
            return fields
        lacking = {name: each.missing(header) for name, each in fields.items()}
        present = {name: each for name, each in fields.items() if not lacking[name]}
        needed = set(REQUIRED) | set(columns.names)
        if "duration_s" in present:
            needed.discard("finished_at")
        if columns.optional_context:
            needed &= set(REQUIRED)
        self._require(lacking[name] for name in needed & set(fields))
        return present

    def _found_context(self) -> dict[str, Field]:
        header, named = self._rows.header, self._columns.context
        fields = {
            name: Field(name, header)
            for name in named or (DEFAULT_CONTEXT if named is None else ())
        }
        if header is None:
            return fields
        present = {name: each for name, each in fields.items() if not each.missing(header)}
        if named is not None and not self._columns.optional_context:
            self._require(each.missing(header) for each in fields.values())
        return present

    def _require(self, lacking: "Iterator[list[str]]") -> None:
        missing = sorted({name for names in lacking for name in names})
        if missing:
            raise BadInputError(
                f"{self._path} line 1: no column {_listed(missing)}; the file has"
                f" {_listed(self._rows.header or ())}; map columns with --map field=column"
            )

    def _require_ends(self, export: Export) -> None:
        """Refuse a file without a header in which no run has an end, as the fields may have other names."""
        if self._rows.header is None and export.runs and not any(r.end for r in export.runs):
            names = _listed([self._columns.of(name) for name in _LATER if self._columns.of(name)])
            raise BadInputError(
                f"{self._path}: no run has ended: no object has {names}; --map field=name"
            )

    def _bad(self, number: int, why: str) -> BadInputError:
        return BadInputError(f"{self._path} {self._rows.unit} {number}: {why}")


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names))
