"""Finds the cell of a field in a row, also inside nested objects, and turns cells into values."""

import math
import re
from collections.abc import Callable, Container, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

import msgspec

from gnomon.replay.source.formats.rows import TWICE

SHOWN_CHARS: Final = 80
"""Longest part of a cell in a message."""
SECONDS: Final = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9, "min": 60.0, "h": 3600.0}
"""Units of durations, in seconds."""
EPOCH_MS: Final = {
    "s": Decimal(1000),
    "ms": Decimal(1),
    "us": Decimal("1e-3"),
    "ns": Decimal("1e-6"),
}
"""Units of times since 1970, in milliseconds."""

_NUMBER: Final = re.compile(r"[+-]?[0-9]+(\.[0-9]*)?([eE][+-]?[0-9]+)?")
_TIME: Final = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})"
    r"(?:[T ]([0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:[.,][0-9]+)?)?)\s*(Z|z|UTC|GMT|[+-][0-9]{2}(?::?[0-9]{2})?)?)?"
)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_ZONES: Final = {None: "+00:00", "Z": "+00:00", "z": "+00:00", "UTC": "+00:00", "GMT": "+00:00"}


class Field:
    """Where the value of a field is: columns that are joined by ``+``, or else the next after ``,``.

    A column with ``?`` may be missing from the file. A dot leads into nested objects, and into cells
    with the text of a JSON object. A column whose whole name is the text comes before all this.

    Args:
        text: As in ``--map field=text``.
        header: Columns of the file; ``None`` if each row has names of its own.
    """

    def __init__(self, text: str, header: Container[str] | None) -> None:
        self.text = text
        self._ways: list[list[tuple[str, bool]]] = (
            [[(text, False)]]
            if header is not None and text in header
            else [[_part(part) for part in way.split("+")] for way in text.split(",")]
        )

    def columns(self) -> list[str]:
        """Return every column that may be read."""
        return [name for way in self._ways for name, _ in way]

    def missing(self, header: Sequence[str]) -> list[str]:
        """Return the columns that must be in the file and are not, of the last way; none if a way is whole."""
        lacking: list[str] = []
        for way in self._ways:
            lacking = [name for name, optional in way if not optional and not _within(name, header)]
            if not lacking:
                return []
        return lacking

    def cell(self, cells: Mapping[str, object]) -> object:
        """Return the cell, or the text of several; ``None`` if there is none or it is empty."""
        for way in self._ways:
            found = [lookup(cells, name) for name, _ in way]
            if found[0] is None or found[0] == "":
                continue
            if len(way) == 1:
                return found[0]
            return "/".join(filter(None, (text_of(each) for each in found)))
        return None


def _part(text: str) -> tuple[str, bool]:
    return text.removesuffix("?"), text.endswith("?")


def _within(name: str, header: Sequence[str]) -> bool:
    return name in header or any(name.startswith(f"{each}.") for each in header)


def lookup(cells: Mapping[str, object], name: str) -> object:
    """Return the cell ``name``, or that of a nested object; ``None`` if there is none."""
    if name in cells:
        return cells[name]
    head, dot, rest = name.partition(".")
    while dot:
        inner = cells.get(head)
        if isinstance(inner, str) and inner.lstrip().startswith("{"):
            inner = _object(inner)
        if isinstance(inner, list) and inner and all(isinstance(each, tuple) for each in inner):
            inner = dict(inner)  # a map of Parquet
        if isinstance(inner, Mapping):
            return lookup(inner, rest)
        more, dot, rest = rest.partition(".")
        head = f"{head}.{more}"
    return None


def _object(text: str) -> object:
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None


def text_of(cell: object) -> str:
    """Return the text of a cell without white space around it; empty if it is missing.

    Raises:
        ValueError: The cell has no text form, or holds bytes that are no text in the encoding.
    """
    if isinstance(cell, str):
        return _checked(cell.strip())
    if _is_missing(cell):
        return ""
    for kind, text in _TEXTS.items():
        if isinstance(cell, kind):
            return text(cell)
    if cell is TWICE:
        raise ValueError("two columns have this name")
    found = "an object" if isinstance(cell, Mapping) else f"a {type(cell).__name__}"
    raise ValueError(f"expected text or a number, got {found}; name a field in it with a dot")


def _is_missing(cell: object) -> bool:
    """Return whether a cell is empty, as JSON has it, or pandas."""
    return cell is None or cell == [] or str(cell) in {"nan", "NaT"}


_TEXTS: Final[Mapping[type, Callable[[Any], str]]] = {
    bool: lambda cell: "true" if cell else "false",
    int: repr,
    float: repr,
    Decimal: lambda cell: format(cell, "f"),
    bytes: lambda cell: _checked(cell.decode("utf-8", "surrogateescape").strip()),
    date: lambda cell: cell.isoformat(),
    timedelta: lambda cell: repr(cell.total_seconds()),
}
"""How a cell of each type is written; a ``bool`` is an ``int`` too, and a ``datetime`` a ``date``."""


def _checked(text: str) -> str:
    if text.isascii():
        return text
    for character in text:
        if "\udc00" <= character <= "\udcff":
            byte = ord(character) - 0xDC00
            raise ValueError(f"the byte 0x{byte:02X} is no text here: say --encoding")
        if "\ud800" <= character <= "\udfff":
            raise ValueError(f"\\u{ord(character):x} is half of a character")
    return text


def shown(text: str) -> str:
    """Return ``text`` as a message has it."""
    return repr(text if len(text) <= SHOWN_CHARS else f"{text[:SHOWN_CHARS]}…")


def seconds_of(text: str, unit: str) -> float | None:
    """Return a duration in seconds; ``None`` if there is none.

    Raises:
        ValueError: The text is no number, or it is negative.
    """
    if not text:
        return None
    if not _NUMBER.fullmatch(text):
        hint = "; decimals need a point" if "," in text else ""
        raise ValueError(f"expected seconds, not negative, got {shown(text)}{hint}")
    number = float(text)
    # Dividing by 1,000 rounds once; 0.001 is rounded already, and multiplying by it rounds again.
    value = number * SECONDS[unit] if SECONDS[unit] >= 1 else number / round(1 / SECONDS[unit])
    if not (math.isfinite(value) and value >= 0):
        raise ValueError(f"expected seconds, not negative, got {shown(text)}")
    return value


def count_of(text: str) -> int | None:
    """Return a count; ``None`` if there is none.

    Raises:
        ValueError: The text is no whole number, or it is negative.
    """
    if not text:
        return None
    value = float(text) if _NUMBER.fullmatch(text) else -1.0
    if not (math.isfinite(value) and value >= 0 and value == int(value)):
        raise ValueError(f"expected a count, got {shown(text)}")
    return int(value)


def epoch_ms_of(text: str, *, unit: str = "", pattern: str = "") -> int:
    """Return a time as whole milliseconds since 1970; what is less than one is dropped.

    Args:
        text: In RFC 3339, in UTC where it has no zone.
        unit: Unit of a text that is a number.
        pattern: Another form, as ``strptime`` has it; also of numbers that have no unit.

    Raises:
        ValueError: The text is of another form, or before 1970.
    """
    if _NUMBER.fullmatch(text) and (unit or not pattern):
        if not unit:
            raise ValueError(
                f"{text} is a number: say since 1970 in which unit, such as --unit started_at=ms"
            )
        epoch_ms = math.floor(Decimal(text) * EPOCH_MS[unit])
    else:
        epoch_ms = (_moment(text, pattern) - _EPOCH) // timedelta(milliseconds=1)
    if epoch_ms < 0:
        raise ValueError(f"{shown(text)} is before 1970")
    return epoch_ms


def _moment(text: str, pattern: str) -> datetime:
    found = _TIME.fullmatch(text)
    try:
        if pattern:
            moment = datetime.strptime(text, pattern)  # noqa: DTZ007  UTC is set below
            return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        if found:
            day, clock, zone = found.groups()
            return datetime.fromisoformat(f"{day}T{clock or '00:00'}{_ZONES.get(zone, zone)}")
    except ValueError as error:
        raise ValueError(f"{shown(text)}: {error}") from error
    raise ValueError(
        f"expected a time like 2025-07-11T19:11:55.399Z, got {shown(text)}; name another form with"
        " --time-format"
    )
