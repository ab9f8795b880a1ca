"""Generates exports as other programs write them, sometimes with one mistake in a known cell."""

import csv
import io
import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

from gnomon.replay.source import Columns, Reading
from gnomon.replay.source.words import TRUTH

FIELDS: Final = ("run_id", "agent_id", "task_type", "started_at", "finished_at", "success")
WORDS: Final = (
    ("True", "False"),
    ("success", "failed"),
    ("passed", "FAIL"),
    ("Y", "n"),
    ("1.0", "0.0"),
    ("t", "f"),
    ("SUCCEEDED", "timed out"),
    ("completed", "error"),
)
OWN_WORDS: Final = (("0", "137"), ("grün", "rot"), ("merged", "reverted"))
UNITS: Final = {"s": 1, "ms": 1000, "us": 1_000_000, "min": None}
TEXTS: Final = ("", "plain", 'says "no"', "a,b;c|d\te", "two\nlines", "naïve café", " padded ")
MISTAKES: Final = ("time", "word", "duration", "order", "id", "short", "quote", "byte", "long")
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass
class Exported:
    """One export: its bytes, how it is to be read, and the cell that is wrong, if one is.

    ``time_kind`` and ``duration_unit`` say how times and durations were written, for the oracle.
    """

    data: bytes
    columns: Columns
    reading: Reading
    time_kind: str
    duration_unit: str
    words: dict[str, bool]
    separator: str
    encoding: str
    wrong: tuple[int, str] | None = None
    names: dict[str, str] = field(default_factory=dict)


def export(seed: int, *, mistakes: bool) -> Exported:
    """Return the export that ``seed`` makes."""
    draw = random.Random(seed)  # noqa: S311  test data
    encoding = draw.choice(["utf-8", "utf-8-sig", "utf-16", "cp1252", "utf-8"])
    separator = draw.choice(",;\t|")
    words = draw.choice([*WORDS, *WORDS, *OWN_WORDS])
    time_kind = draw.choice(["iso", "iso", "space", "naive", "offset", "s", "ms", "us", "dmy"])
    unit = draw.choice(list(UNITS))
    names = {name: draw.choice([name, name, f"x {name}"]) for name in (*FIELDS, "duration_s")}
    header = [*names.values(), "note", "size"]
    draw.shuffle(header)
    rows = [
        _row(draw, i, names=names, words=words, time_kind=time_kind, unit=unit)
        for i in range(draw.randint(1, 8))
    ]
    mistake = draw.choice(MISTAKES) if mistakes else ""
    at = draw.randrange(len(rows))
    column = _spoil(draw, mistake, rows[at], names, time_kind) if mistake else ""
    data, line = _written(draw, header, rows, at=at, mistake=mistake, separator=separator)
    if mistake in {"short", "quote"}:
        column = header[-1]
    encoded = data.encode(encoding)
    if mistake == "byte":
        # UTF-8 has no byte 0xFF; where every byte is text, another encoding is said to be UTF-8.
        encoded, encoding = data.replace("¤", "\udcff").encode("utf-8", "surrogateescape"), "utf-8"
    own = words in OWN_WORDS
    columns = Columns(
        names={name: column for name, column in names.items() if name != column},
        context=["size"],
        units={"duration_s": unit}
        | (dict.fromkeys(("started_at", "finished_at"), time_kind) if time_kind in UNITS else {}),
        time_format="%d/%m/%Y %H:%M:%S.%f" if time_kind == "dmy" else "",
        words=TRUTH.replaced([words[0]], [words[1]]) if own else TRUTH,
    )
    return Exported(
        data=encoded,
        columns=columns,
        reading=Reading(encoding=encoding if encoding == "cp1252" else ""),
        time_kind=time_kind,
        duration_unit=unit,
        words={words[0]: True, words[1]: False},
        separator=separator,
        encoding=encoding,
        wrong=(line, column) if mistake else None,
        names=names,
    )


def _row(
    draw: random.Random,
    number: int,
    *,
    names: dict[str, str],
    words: tuple[str, str],
    time_kind: str,
    unit: str,
) -> dict[str, str]:
    began = datetime(2025, 1, 1, tzinfo=UTC) + timedelta(microseconds=draw.randrange(10**13))
    lasted_us = draw.choice([0, 1, draw.randrange(10**6), draw.randrange(10**10)])
    over = began + timedelta(microseconds=lasted_us)
    scale = UNITS[unit]
    value = lasted_us / 60e6 if scale is None else lasted_us / 1e6 * scale
    return {
        names["run_id"]: f"r{number}",
        names["agent_id"]: draw.choice(["planner", "coder", "Prüfer"]),
        names["task_type"]: draw.choice(["fix", "triage"]),
        names["started_at"]: _time(began, time_kind),
        names["finished_at"]: _time(over, time_kind),
        names["success"]: draw.choice(words),
        names["duration_s"]: draw.choice(["", repr(value)]),
        "note": draw.choice(TEXTS),
        "size": draw.choice(["", "12", "0.5", "-3"]),
    }


def _time(moment: datetime, kind: str) -> str:
    us = (moment - EPOCH) // timedelta(microseconds=1)
    plain = moment.isoformat(timespec="microseconds").removesuffix("+00:00")
    return {
        "iso": f"{plain}Z",
        "space": f"{plain.replace('T', ' ')}+00:00",
        "naive": plain.replace("T", " "),
        "offset": f"{(moment + timedelta(hours=2)).isoformat(timespec='microseconds').removesuffix('+00:00')}+02:00",
        "s": str(us // 1_000_000),
        "ms": str(us // 1000),
        "us": str(us),
        "dmy": moment.strftime("%d/%m/%Y %H:%M:%S.%f"),
    }[kind]


def _spoil(
    draw: random.Random, mistake: str, row: dict[str, str], names: dict[str, str], time_kind: str
) -> str:
    """Put a mistake into one row; return its column."""
    changed = {
        "time": ("started_at", draw.choice(["yesterday", "31.12.2025 10:00", "2025-13-01T00:00Z"])),
        "word": ("success", draw.choice(["perhaps", "2"])),
        "duration": ("duration_s", draw.choice(["-1", "1_000", "soon", "nan", "1e400"])),
        "order": ("finished_at", _time(datetime(2020, 1, 1, tzinfo=UTC), time_kind)),
        "id": ("agent_id", ""),
        "byte": ("agent_id", "b¤t"),
        "long": ("task_type", "x" * 300),
        "short": ("run_id", row[names["run_id"]]),
        "quote": ("run_id", row[names["run_id"]]),
    }[mistake]
    name, text = changed
    row[names[name]] = text
    return names[name]


def _written(
    draw: random.Random,
    header: list[str],
    rows: list[dict[str, str]],
    *,
    at: int,
    mistake: str,
    separator: str,
) -> tuple[str, int]:
    """Return the text of the file, and the number of the first line of row ``at``."""
    quoting: Literal[0, 1] = draw.choice([csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
    end = draw.choice(["\n", "\r\n"])
    file = io.StringIO(newline="")
    writer = csv.writer(file, delimiter=separator, quoting=quoting, lineterminator=end)
    writer.writerow(header)
    line = 0
    for number, row in enumerate(rows):
        if number == at:
            line = file.getvalue().count("\n") + 1
            if mistake == "quote":
                file.write(separator.join(["x"] * (len(header) - 1)) + separator + '"open' + end)
                continue
            if mistake == "short":
                file.write(separator.join(["x"] * (len(header) - 1)) + end)
                continue
        writer.writerow([row[name] for name in header])
    text = file.getvalue()
    return (text.removesuffix(end) if draw.random() < 0.3 else text), line
