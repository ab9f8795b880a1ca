"""Reads JSON lines, or JSON arrays of objects, an object at a time."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TextIO

from gnomon.replay.source.formats.rows import BadRowError, Reading, Row, Rows
from gnomon.replay.source.formats.unpacked import encoding_of, open_text

_PIECE_CHARS: Final = 1 << 16
MAX_OBJECT_CHARS: Final = 1 << 27
"""Longest object of an array. Without a bound, a bracket that is never closed would fill the memory."""

_LONGEST_WORD: Final = 16
"""More characters than an error can be before the end of a text that merely breaks off."""


@contextmanager
def open_json(path: Path, reading: Reading) -> Iterator[Rows]:
    """Open a file of objects: one on each line, or in arrays, or in answers of an API.

    Raises:
        BadInputError: The file cannot be opened, or the encoding is unknown.
    """
    encoding = reading.encoding or encoding_of(path)
    with open_text(path, encoding=encoding) as file:
        yield _JsonRows(file, encoding, reading.columns)


class _JsonRows:
    """The objects of an open file. Each has names of its own, so there is no header."""

    unit = "line"
    header: Sequence[str] | None = None

    def __init__(self, file: TextIO, encoding: str, wanted: Sequence[str]) -> None:
        self._scanner = _Scanner(file)
        self._array = self._scanner.peek() == "["
        self._list = "" if self._array else self._list_in_answer(wanted)
        self.layout = f"{'a JSON array' if self._array else 'JSON lines'}, {encoding}"
        if self._list:
            self.unit, self.layout = "object", f"the JSON array {self._list!r}, {encoding}"

    def _list_in_answer(self, wanted: Sequence[str]) -> str:
        """Return the name of the list of rows if the file is the answer of an API; otherwise an empty text."""
        try:
            answer = self._scanner.value(1, keep=True)
        except BadRowError:
            return ""  # told where the rows are read
        if not isinstance(answer, dict) or {name.partition(".")[0] for name in wanted} & set(
            answer
        ):
            return ""
        lists = {name: value for name, value in answer.items() if isinstance(value, list)}
        found = {name: value for name, value in lists.items() if value} or lists
        if len(found) != 1:
            return ""
        ((name, rows),) = found.items()
        return name if all(isinstance(each, dict) for each in rows) else ""

    def __iter__(self) -> Iterator[Row]:
        if self._list:
            return self._of_answers()
        return self._of_arrays() if self._array else self._of_lines()

    def _of_lines(self) -> Iterator[Row]:
        while self._scanner.peek():
            yield self._row()

    def _of_arrays(self) -> Iterator[Row]:
        """Yield the objects of one array after the other: what fetches pages appends them to one file."""
        scanner = self._scanner
        while scanner.peek():
            self._take("[")
            if scanner.peek() != "]":
                yield self._row()
            while scanner.peek() != "]":
                self._take(",")
                yield self._row()
            self._take("]")

    def _of_answers(self) -> Iterator[Row]:
        """Yield the objects of one answer after the other, numbered through."""
        number = 0
        while self._scanner.peek():
            answer = self._scanner.value(number + 1)
            rows = answer.get(self._list) if isinstance(answer, dict) else None
            for each in rows if isinstance(rows, list) else [None]:
                number += 1
                if not isinstance(each, dict):
                    raise BadRowError(number, f"expected an object in an array {self._list!r}")
                yield Row(number, each)

    def _take(self, expected: str) -> None:
        if self._scanner.peek() != expected:
            raise BadRowError(self._scanner.line, f"expected {expected!r} of a JSON array")
        self._scanner.skip()

    def _row(self) -> Row:
        self._scanner.peek()
        number = self._scanner.line
        value = self._scanner.value(number)
        if not isinstance(value, dict):
            raise BadRowError(number, f"expected a JSON object, got {type(value).__name__}")
        return Row(number, value)


class _Scanner:
    """Takes one JSON value after another from a file, of which it holds one value and a piece."""

    def __init__(self, file: TextIO) -> None:
        self._file, self._text, self._at = file, "", 0
        self._decoder = json.JSONDecoder()
        self.line = 1

    def peek(self) -> str:
        """Return the next character that is no white space, without taking it; empty at the end."""
        while True:
            while self._at < len(self._text):
                character = self._text[self._at]
                if not character.isspace():
                    return character
                self.skip()
            if not self._more(_PIECE_CHARS):
                return ""

    def skip(self) -> None:
        """Take one character."""
        self.line += self._text[self._at] == "\n"
        self._at += 1

    def value(self, number: int, *, keep: bool = False) -> object:
        """Take one value, or only look at it.

        Raises:
            BadRowError: There is no JSON value here.
        """
        self.peek()
        size = _PIECE_CHARS
        while True:
            try:
                value, end = self._decoder.raw_decode(self._text, self._at)
            except (ValueError, RecursionError) as error:
                if not self._may_go_on(error) or not self._more(size):
                    why = getattr(error, "msg", str(error))
                    raise BadRowError(number, f"not JSON: {why}") from error
                size *= 2
                continue
            if not keep:
                self.line += self._text.count("\n", self._at, end)
                self._at = end
            found: object = value
            return found

    def _may_go_on(self, error: Exception) -> bool:
        """Return whether the value may be whole with more of the file: the error is at its end."""
        if len(self._text) - self._at > MAX_OBJECT_CHARS or not isinstance(
            error, json.JSONDecodeError
        ):
            return False
        at_end = error.pos > len(self._text) - _LONGEST_WORD
        return at_end or error.msg.startswith("Unterminated string")

    def _more(self, size: int) -> bool:
        """Read ``size`` more characters and forget what was taken; return whether there were any."""
        piece = self._file.read(size)
        self._text, self._at = self._text[self._at :] + piece, 0
        return bool(piece)
