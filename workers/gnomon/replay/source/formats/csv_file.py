"""Reads CSV: any usual separator and encoding, cells of any length, quotes as other readers take them."""

import csv
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Final

from gnomon.replay.source.formats.rows import TWICE, BadInputError, BadRowError, Reading, Row, Rows
from gnomon.replay.source.formats.unpacked import encoding_of, open_text

SEPARATORS: Final = (",", ";", "\t", "|")
_EXCELS_LINE: Final = re.compile(r'"?sep=(.)"?\r?\n?')
"""What some programs write before the header, for Excel."""
MAX_CELL_CHARS: Final = 1 << 27
"""Longest cell. Without a bound, a quote that is never closed would take the whole file into memory."""


@contextmanager
def open_csv(path: Path, reading: Reading) -> Iterator[Rows]:
    """Open a CSV file with a header.

    Bytes that are no text in the encoding matter only in cells that are used: they become surrogates.

    Raises:
        BadInputError: The file cannot be opened, the encoding is unknown, or there is no header.
    """
    encoding = reading.encoding or encoding_of(path)
    limit = csv.field_size_limit(MAX_CELL_CHARS)
    try:
        with open_text(path, encoding=encoding, newline="") as file:
            yield _CsvRows(file, path, reading, encoding)
    finally:
        csv.field_size_limit(limit)


class _CsvRows:
    """The rows behind the header of an open file."""

    unit = "line"

    def __init__(self, file: Iterator[str], path: Path, reading: Reading, encoding: str) -> None:
        first = next(file, "")
        self._before = 0
        if said := _EXCELS_LINE.fullmatch(first):
            self._before, first = 1, next(file, "")
        found = said[1] if said else _separator_of(first, reading.columns)
        self._separator = reading.separator or found
        self._lines: list[str] = []
        lines = self._remembered(chain([first], file))
        self._reader = csv.reader(lines, delimiter=self._separator, strict=True)
        try:
            self._names = next(([name.strip() for name in row] for row in self._reader if row), [])
        except csv.Error as error:
            raise BadInputError(f"{path} line 1: {error}") from error
        if not self._names:
            raise BadInputError(f"{path} line 1: no header: the file is empty")
        if any("\0" in name for name in self._names):
            raise BadInputError(
                f"{path} line 1: zero bytes between the characters: say --encoding utf-16-le, or utf-16-be"
            )
        self.header: Sequence[str] | None = self._names
        self._twice = {name for name, count in Counter(self._names).items() if count > 1}
        shown = "tab" if self._separator == "\t" else repr(self._separator)
        self.layout = f"CSV, separator {shown}, {encoding}"

    def __iter__(self) -> Iterator[Row]:
        header, reader = self._names, self._reader
        while True:
            number = self._before + reader.line_num + 1
            self._lines.clear()
            try:
                row = next(reader, None)
            except csv.Error as error:
                raise BadRowError(number, self._explained(error)) from error
            if row is None:
                return
            if not row:
                continue
            if len(row) != len(header):
                raise BadRowError(number, _misfit(row, header))
            cells: dict[str, object] = dict(zip(header, row, strict=True))
            cells.update((name, TWICE) for name in self._twice)
            yield Row(number, cells)

    def _remembered(self, lines: Iterator[str]) -> Iterator[str]:
        """Yield ``lines`` and remember those of the current row, to explain an error in it."""
        for line in lines:
            self._lines.append(line)
            yield line

    def _explained(self, error: csv.Error) -> str:
        if "field larger" in str(error):
            return f"a cell of more than {MAX_CELL_CHARS:,} characters: is a quote never closed?"
        text = "".join(self._lines)
        at, closed = _quote_at_fault(text, self._separator)
        name = self._names[min(at, len(self._names) - 1)]
        what = "ends with other text behind it" if closed else "is never closed"
        return f"{name}: the quote that opens it {what}"


def _quote_at_fault(text: str, separator: str) -> tuple[int, bool]:
    """Return the index of the cell whose quote is wrong, and whether it is closed at all."""
    cell, quoted, begins, at = 0, False, True, 0
    while at < len(text):
        character = text[at]
        if quoted:
            if character == '"' and text[at + 1 : at + 2] == '"':
                at += 1
            elif character == '"':
                quoted = False
                if text[at + 1 : at + 2] not in {separator, "\r", "\n", ""}:
                    return cell, True
        elif character == separator:
            cell, begins = cell + 1, True
            at += 1
            continue
        elif character == '"' and begins:
            quoted = True
        begins = False
        at += 1
    return cell, False


def _separator_of(head: str, wanted: Sequence[str]) -> str:
    """Return the separator with which the header has most of the wanted columns, then most columns."""

    def quality(separator: str) -> tuple[int, int]:
        names = [
            name.strip() for name in next(csv.reader(head.splitlines(), delimiter=separator), [])
        ]
        return len(set(wanted) & set(names)), len(names)

    return max(SEPARATORS, key=quality)


def _misfit(row: Sequence[str], header: Sequence[str]) -> str:
    counts = f"the number of fields differs from the header: {len(row)}, not {len(header)}"
    if len(row) < len(header):
        return f"{header[len(row)]}: {counts}; there is no cell for it"
    return f"{header[-1]}: {counts}; a cell with the separator needs quotes"
