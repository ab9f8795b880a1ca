"""Gives each context column one type: a column is of numbers only if every cell in it is a plain number."""

import re
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Final

from gnomon.events import ContextValue
from gnomon.replay.source.cells import Field, shown, text_of

MAX_TEXT_CHARS: Final = 1024
MAX_DIGITS: Final = 15
"""Most digits of a number. A longer one is an identifier, which a float would not keep."""
_PLAIN: Final = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?")


@dataclass(slots=True)
class ContextColumn:
    """What the cells of one column were.

    Attributes:
        name: The column.
        cells: Number of cells that are not empty.
        kind: ``number``, ``boolean`` or ``text``: the one type of them all; empty before the first.
        text_at: Number and content of the first row that made it a column of texts.
        cut: Number of texts that were longer than ``MAX_TEXT_CHARS``.
    """

    name: str
    cells: int = 0
    kind: str = ""
    text_at: tuple[int, str] | None = None
    cut: int = 0

    def add(self, cell: object, number: int) -> str | float | None:
        """Note one cell, and return it as the text or the number that it will be.

        Raises:
            ValueError: The cell is neither text nor a number.
        """
        text = text_of(cell)
        if not text:
            return None
        kind = _kind(cell, text)
        self.cells += 1
        if not self.kind:
            self.kind = kind
        elif self.kind != kind:
            self.kind = "text"
        if kind == "text" and self.text_at is None:
            self.text_at = number, text[:MAX_TEXT_CHARS]
        if len(text) > MAX_TEXT_CHARS:
            self.cut += 1
        return text[:MAX_TEXT_CHARS]

    def value(self, text: str | float | None) -> ContextValue:
        """Return what ``add`` returned in the type of the whole column."""
        if text is None or self.kind == "text":
            return text
        if self.kind == "boolean":
            return text == "true"
        value = float(text)
        return int(value) if value == int(value) else value

    def described(self, unit: str) -> str:
        """Return its type for people, with the row that decided it."""
        if not self.kind:
            return "empty"
        if self.kind == "text" and self.text_at is not None:
            number, text = self.text_at
            return f"text, as {unit} {number} has {shown(text)}"
        return self.kind


def _kind(cell: object, text: str) -> str:
    if isinstance(cell, bool):
        return "boolean"
    if isinstance(cell, str) or not isinstance(cell, (int, float)):
        digits = sum(map(str.isdigit, text))
        return "number" if digits <= MAX_DIGITS and _PLAIN.fullmatch(text) else "text"
    return "number" if abs(cell) < 10**MAX_DIGITS else "text"


@dataclass(slots=True)
class Contexts:
    """All context columns of one file.

    Attributes:
        fields: Where the columns are.
        columns: What is known of them.
    """

    fields: Mapping[str, Field]
    columns: dict[str, ContextColumn] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Begin with empty columns."""
        self.columns = {name: ContextColumn(name) for name in self.fields}

    def read(self, cells: Mapping[str, object], number: int) -> dict[str, ContextValue]:
        """Return the context of one row, still as text.

        Raises:
            ValueError: A cell is neither text nor a number; the message begins with its column.
        """
        context: dict[str, ContextValue] = {}
        for name, column in self.columns.items():
            try:
                context[name] = column.add(self.fields[name].cell(cells), number)
            except ValueError as error:
                raise ValueError(f"{name}: {error}") from error
        return context

    def convert(self, context: MutableMapping[str, ContextValue]) -> None:
        """Give the values of one row the types of their columns, in place."""
        for name, column in self.columns.items():
            value = context[name]
            context[name] = column.value(None if value is None else str(value))
