"""Reads Parquet with pyarrow: only the columns that are used, a batch of rows at a time."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from gnomon.errors import MissingExtraError
from gnomon.replay.source.formats.rows import BadInputError, BadRowError, Reading, Row, Rows

_BATCH: Final = 1024


@contextmanager
def open_parquet(path: Path, reading: Reading) -> Iterator[Rows]:
    """Open a Parquet file.

    Raises:
        BadInputError: The file cannot be opened, or it is no Parquet.
        MissingExtraError: pyarrow is not installed.
    """
    try:
        import pyarrow as pa  # noqa: PLC0415  only for Parquet
        import pyarrow.parquet as pq  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            "gnomon replay of Parquet", module="pyarrow", extra="workers"
        ) from error
    try:
        with pq.ParquetFile(path) as file:
            yield _ParquetRows(file, reading)
    except OSError as error:
        raise BadInputError(f"{path}: {error.strerror or error}") from error
    except (pa.ArrowException, UnicodeDecodeError) as error:
        raise BadInputError(f"{path}: not a Parquet file: {error}") from error


class _ParquetRows:
    """The rows of an open file, numbered from 1."""

    unit = "row"
    layout = "Parquet"

    def __init__(self, file: Any, reading: Reading) -> None:
        self._file = file
        names = list(file.schema_arrow.names)
        self.header: Sequence[str] | None = names
        # A name may be that of a field inside a column.
        self._used = [
            name
            for name in names
            if any(each == name or each.startswith(f"{name}.") for each in reading.columns)
        ]

    def __iter__(self) -> Iterator[Row]:
        number = 0
        for batch in self._file.iter_batches(batch_size=_BATCH, columns=self._used):
            try:
                rows = batch.to_pylist()
            except ValueError:
                rows = _each_row(batch, number)
            for cells in rows:
                number += 1
                yield Row(number, cells)


def _each_row(batch: Any, number: int) -> Iterator[dict[str, object]]:
    """Yield the rows of a batch one by one, up to the one with a cell that Python cannot have."""
    for at in range(batch.num_rows):
        row = {}
        for name, column in zip(batch.schema.names, batch.columns, strict=True):
            try:
                row[name] = column[at].as_py()
            except ValueError as error:
                raise BadRowError(number + at + 1, f"{name}: {error}") from error
        yield row
