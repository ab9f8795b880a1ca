"""Declares the arguments that say how recorded runs are read, and reads them."""

import argparse
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from gnomon.settings import Settings

if TYPE_CHECKING:
    from gnomon.replay.source import Columns, Export, Run

FIRST_ROWS = 5
"""Runs that ``--dry-run`` shows."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    group = parser.add_argument_group("what is read (docs/replay.md)")
    group.add_argument(
        "--preset",
        metavar="SYSTEM",
        help="columns, units and words of an export of airflow, celery, github-actions, langfuse,"
        " langsmith, mlflow-traces or temporal; the options below come before it",
    )
    group.add_argument(
        "--map",
        action="append",
        default=[],
        metavar="FIELD=COLUMN",
        help="use a column of another name, such as run_id=id; a+b joins two columns, a,b takes b"
        " where a is empty, a.b is a field b in an object a; may be repeated",
    )
    group.add_argument(
        "--context",
        metavar="COLUMNS",
        help="comma-separated columns known at the start, for models"
        " (agent, model and instruction_chars, if the file has them)",
    )
    group.add_argument(
        "--unit",
        action="append",
        default=[],
        metavar="FIELD=UNIT",
        help="unit of duration_s or estimate_s (s, ms, us, ns, min or h), or of times that are"
        " numbers since 1970 (s, ms, us or ns), such as started_at=ms; may be repeated",
    )
    group.add_argument(
        "--time-format",
        default="",
        metavar="F",
        help="form of times that are not in RFC 3339, such as '%%d/%%m/%%Y %%H:%%M'",
    )
    group.add_argument(
        "--success-values",
        type=_words,
        default=[],
        metavar="A,B",
        help=f"words for success, instead of {_known('SUCCEEDED')}",
    )
    group.add_argument(
        "--failure-values",
        type=_words,
        default=[],
        metavar="A,B",
        help=f"words for failure, instead of {_known('FAILED')}; * stands for all others",
    )
    group.add_argument(
        "--each-retry",
        action="store_true",
        help="a run id that occurs again with another start is another run",
    )
    group.add_argument("--separator", type=_separator, metavar="C", help="of a CSV file")
    group.add_argument("--encoding", default="", metavar="E", help="of the file, such as cp1252")
    group.add_argument(
        "--dry-run",
        action="store_true",
        help="read and check the file, show what would be replayed, and end",
    )


def read(options: argparse.Namespace, settings: Settings) -> "Export":
    """Read the file of ``options`` and print what somebody should know about it.

    Raises:
        BadInputError: The file or an option is wrong.
    """
    from gnomon.replay.source import checked  # noqa: PLC0415

    export = checked(_export(options, settings))
    for line in notices(export):
        print(f"gnomon replay: {line}", file=sys.stderr)
    return export


def dry_run(options: argparse.Namespace, settings: Settings) -> int:
    """Print how the file of ``options`` is read, up to its end or the first row that is refused."""
    export = _export(options, settings)
    print("\n".join(described(export)))
    if export.error is not None:
        print(f"gnomon: {export.error}", file=sys.stderr)
    elif not export.runs:
        print(f"gnomon replay: {options.file} has no runs", file=sys.stderr)
    return 0 if export.runs and export.error is None else 2


def _export(options: argparse.Namespace, settings: Settings) -> "Export":
    from gnomon.replay.source import Door, Reading, read_export  # noqa: PLC0415

    door = Door(
        now_ms=time.time_ns() // 1_000_000,
        max_clock_ahead_ms=round(settings.max_clock_ahead_s * 1000),
    )
    reading = Reading(separator=options.separator or "", encoding=options.encoding)
    return read_export(options.file, columns_of(options), door=door, reading=reading)


def columns_of(options: argparse.Namespace) -> "Columns":
    """Return the columns that the arguments name.

    Raises:
        BadInputError: There is no such preset, field or unit, or a word means both.
    """
    from gnomon.replay.source import FIELDS, PRESETS, REQUIRED, BadInputError, Columns  # noqa: PLC0415

    if options.preset is not None and options.preset not in PRESETS:
        raise BadInputError(f"--preset {options.preset}: expected one of {', '.join(PRESETS)}")
    columns = Columns() if options.preset is None else PRESETS[options.preset]
    names = {}
    for pair in options.map:
        name, equals, column = pair.partition("=")
        if not equals or name not in FIELDS:
            raise BadInputError(
                f"--map {pair}: expected FIELD=COLUMN with a field of {', '.join(FIELDS)}"
            )
        if not column and name in REQUIRED and name != "finished_at":
            raise BadInputError(f"--map {pair}: names no column")
        names[name] = column
    both = {word for word in options.success_values if word in options.failure_values}
    if both:
        raise BadInputError(f"--success-values and --failure-values both have {min(both)!r}")
    columns = columns.over(names, _units(options.unit))
    if options.context is not None:
        context = [name for name in options.context.split(",") if name]
        columns = replace(columns, context=context, optional_context=False)
    return replace(
        columns,
        time_format=options.time_format,
        words=columns.words.replaced(options.success_values, options.failure_values),
        each_retry=options.each_retry,
    )


def _units(pairs: list[str]) -> dict[str, str]:
    from gnomon.replay.source import UNITS, BadInputError  # noqa: PLC0415

    units = {}
    for pair in pairs:
        name, _, unit = pair.partition("=")
        if unit not in UNITS.get(name, ()):
            known = "; ".join(f"{field}: {', '.join(of)}" for field, of in UNITS.items())
            raise BadInputError(f"--unit {pair}: expected FIELD=UNIT ({known})")
        units[name] = unit
    return units


def notices(export: "Export") -> list[str]:
    """Return what somebody should know about a file beside its runs."""
    from gnomon.models.table import left_out  # noqa: PLC0415  heavy

    lines = [f"{count} rows are left out: {why}" for why, count in export.left_out.items()]
    lines += [f"note: {remark}" for remark in export.remarks]
    unused = left_out([run.started for run in export.runs])
    lines += [f"context {name!r} is not learnt from: {why}" for name, why in unused.items()]
    return lines


def described(export: "Export") -> list[str]:
    """Return what was read, as ``--dry-run`` shows it."""
    from gnomon.text_table import aligned  # noqa: PLC0415

    lines = [export.layout] if export.layout else []
    lines += [f"  {name:<23} is {column}" for name, column in export.fields.items()]
    lines += [
        f"  {f'context {column.name}':<23} is {column.described(export.unit)}"
        for column in export.context
    ]
    if export.runs:
        shown = export.runs[:FIRST_ROWS]
        lines += ["", aligned([_HEAD, *(_cells(run) for run in shown)]), ""]
    ended = [run.end for run in export.runs]
    cancelled = sum(run.cancelled is not None for run in export.runs)
    succeeded = sum(run.finished is not None and run.finished.succeeded for run in export.runs)
    failed = sum(end is not None for end in ended) - succeeded - cancelled
    lines.append(
        f"{len(ended)} runs: {succeeded} succeeded, {failed} failed, {cancelled} were cancelled,"
        f" {ended.count(None)} have not ended"
    )
    return [*lines, *notices(export)]


_HEAD = ("run", "agent", "type", "started", "seconds", "ended", "context")


def _cells(run: "Run") -> tuple[str, ...]:
    started, finished = run.started, run.finished
    begun = datetime.fromtimestamp(started.started_at_ms / 1000, UTC)
    ended = "cancelled" if run.cancelled is not None else "not ended"
    if finished is not None:
        ended = "succeeded" if finished.succeeded else "failed"
    context = ", ".join(f"{name}={value!r}" for name, value in started.context.items())
    return (
        _short(started.task_id),
        _short(started.agent_id),
        _short(started.task_type),
        begun.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "-" if finished is None else f"{finished.duration_s:g}",
        ended,
        _short(context, 60),
    )


def _short(text: str, most: int = 30) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _known(ended: str) -> str:
    from gnomon.replay.source.words import KNOWN, Ended  # noqa: PLC0415

    return ", ".join(KNOWN[Ended[ended]].split())


def _words(text: str) -> list[str]:
    return [word for word in text.split(",") if word.strip()]


def _separator(text: str) -> str:
    separator = {"tab": "\t", r"\t": "\t"}.get(text, text)
    if len(separator) != 1:
        raise argparse.ArgumentTypeError(f"expected one character, or tab; got {text!r}")
    return separator
