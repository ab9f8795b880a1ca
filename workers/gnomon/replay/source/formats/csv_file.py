"""Reads CSV: any usual separator and encoding, cells of any length, quotes as other readers take them."""

import codecs
import csv
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Final

from gnomon.replay.source.formats.rows import TWICE, BadInputError, BadRowError, Reading, Row, Rows

SEPARATORS: Final = (",", ";", "\t", "|")
MAX_CELL_CHARS: Final = 1 << 27
"""Longest cell. Without a bound, a quote that is never closed would take the whole file into memory."""
_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
UNDECODABLE: Final = "gnomon.undecodable"
"""Name of the handler of decoding errors."""


@contextmanager
def open_csv(path: Path, reading: Reading) -> Iterator[Rows]:
    """Open a CSV file with a header.

    Bytes that are no text in the encoding matter only in cells that are used: they become surrogates.

    Raises:
        BadInputError: The file cannot be opened, the encoding is unknown, or there is no header.
    """
    encoding = reading.encoding or encoding_of(path)
    register()
    limit = csv.field_size_limit(MAX_CELL_CHARS)
    try:
        with path.open(encoding=encoding, newline="", errors=UNDECODABLE) as file:
            yield _CsvRows(file, path, reading, encoding)
    except OSError as error:
        raise BadInputError(f"{path}: {error.strerror}") from error
    except LookupError as error:
        raise BadInputError(f"{path}: {error}") from error
    finally:
        csv.field_size_limit(limit)


def register() -> None:
    """Make the handler of decoding errors known by its name."""
    codecs.register_error(UNDECODABLE, _as_surrogates)


def _as_surrogates(error: UnicodeError) -> tuple[str, int]:
    """Return a surrogate for each byte that is no text, so that reading goes on behind it."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    undecodable = error.object[error.start : error.end]
    return "".join(chr(0xDC00 + byte) for byte in undecodable), error.end


def encoding_of(path: Path) -> str:
    """Return the encoding that the byte order mark of a file says, or UTF-8.

    Raises:
        BadInputError: The file cannot be read.
    """
    try:
        with path.open("rb") as file:
            first = file.read(4)
    except OSError as error:
        raise BadInputError(f"{path}: {error.strerror}") from error
    return next((name for mark, name in _MARKS if first.startswith(mark)), "utf-8")


class _CsvRows:
    """The rows behind the header of an open file."""

    unit = "line"

    def __init__(self, file: Iterator[str], path: Path, reading: Reading, encoding: str) -> None:
        first = next(file, "")
        self._separator = reading.separator or _separator_of(first, reading.columns)
        self._lines: list[str] = []
        lines = self._remembered(chain([first], file))
        self._reader = csv.reader(lines, delimiter=self._separator, strict=True)
        try:
            self._names = next(([name.strip() for name in row] for row in self._reader if row), [])
        except csv.Error as error:
            raise BadInputError(f"{path} line 1: {error}") from error
        if not self._names:
            raise BadInputError(f"{path} line 1: no header: the file is empty")
        self.header: Sequence[str] | None = self._names
        self._twice = {name for name, count in Counter(self._names).items() if count > 1}
        shown = "tab" if self._separator == "\t" else repr(self._separator)
        self.layout = f"CSV, separator {shown}, {encoding}"

    def __iter__(self) -> Iterator[Row]:
        header, reader = self._names, self._reader
        while True:
            number = reader.line_num + 1
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
