"""Opens an export and yields its rows, whatever its format, one at a time."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple, Protocol

from gnomon.errors import ConfigurationError

TWICE: Final = object()
"""Stands for a cell whose column has a name that another column has too."""

PACKED: Final = frozenset({".gz", ".gzip", ".bz2", ".xz", ".zst", ".zstd", ".lz4"})
"""Endings that name a compression."""
_FIRST_CHARS: Final = 256
"""In which the first character that is no white space says whether a file is JSON."""


class BadInputError(ConfigurationError):
    """The file cannot be replayed. The message gives its name and the line."""


class Row(NamedTuple):
    """One row: the number of its first line, and its cells by their column.

    A cell of a CSV file is text; otherwise it has the type that the file declares.
    """

    number: int
    cells: Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How bytes become rows.

    Attributes:
        separator: Between the cells of a CSV file; empty to find it in the header.
        encoding: Of the text; empty for UTF-8, or what a byte order mark says.
        columns: Columns by which a separator is recognised, and which Parquet reads.
    """

    separator: str = ""
    encoding: str = ""
    columns: Sequence[str] = field(default_factory=tuple)


class Rows(Protocol):
    """The rows of one open file.

    Attributes:
        header: Names of the columns; ``None`` if each row has names of its own.
        unit: What ``Row.number`` counts: ``line`` or ``row``.
        layout: The format, for people.
    """

    header: Sequence[str] | None
    unit: str
    layout: str

    def __iter__(self) -> Iterator[Row]:
        """Yield the rows.

        Raises:
            BadRowError: A row cannot be read.
        """
        ...


class BadRowError(Exception):
    """A row cannot be read; the message has neither file nor number."""

    def __init__(self, number: int, why: str) -> None:
        super().__init__(why)
        self.number = number


def open_rows(path: Path, reading: Reading) -> AbstractContextManager[Rows]:
    """Open ``path`` by the ending of its name: Parquet, JSON or JSON lines, otherwise CSV.

    An ending that names a compression does not count. With an ending that says nothing, what begins as
    JSON is JSON.

    Raises:
        BadInputError: The file cannot be opened, or it is of another format.
    """
    kind, *_ = [each for each in map(str.lower, reversed(path.suffixes)) if each not in PACKED] or [
        ""
    ]
    if kind in {".parquet", ".pq"}:
        from gnomon.replay.source.formats.parquet_file import open_parquet  # noqa: PLC0415  heavy

        return open_parquet(path, reading)
    if kind in {".json", ".jsonl", ".ndjson"} or (kind not in {".csv", ".tsv"} and _is_json(path)):
        from gnomon.replay.source.formats.json_file import open_json  # noqa: PLC0415

        return open_json(path, reading)
    from gnomon.replay.source.formats.csv_file import open_csv  # noqa: PLC0415

    return open_csv(path, reading)


def _is_json(path: Path) -> bool:
    from gnomon.replay.source.formats.unpacked import encoding_of, open_text  # noqa: PLC0415

    with open_text(path, encoding=encoding_of(path)) as file:
        return file.read(_FIRST_CHARS).lstrip()[:1] in {"{", "["}
