"""Opens the text of a file, also of one that is compressed, which its first bytes say."""

import bz2
import codecs
import gzip
import io
import lzma
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Final, TextIO, cast

from gnomon.errors import MissingExtraError
from gnomon.replay.source.formats.rows import BadInputError

UNDECODABLE: Final = "gnomon.undecodable"
"""Name of the handler of decoding errors."""
_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_OTHERS: Final = (
    (b"PK\x03\x04", "a ZIP archive, such as an Excel file; unpack it, or save the table as CSV"),
    (b"\xd0\xcf\x11\xe0", "an Excel file; save the table as CSV"),
    (b"PAR1", "Parquet; name it with the ending .parquet"),
    (b"SQLite format 3", "an SQLite database; export the table as CSV"),
    (b"Obj\x01", "Avro; export it as JSON lines or Parquet"),
    (b"ORC", "ORC; export it as Parquet"),
)
"""First bytes of files that are neither text nor compressed text."""


@contextmanager
def open_text(path: Path, *, encoding: str, newline: str | None = None) -> Iterator[TextIO]:
    """Open the text of a file. Bytes that are no text in the encoding become surrogates.

    Raises:
        BadInputError: The file cannot be read, or the encoding is unknown or another one.
        MissingExtraError: pyarrow is not installed, and the file needs it.
    """
    codecs.register_error(UNDECODABLE, _as_surrogates)
    try:
        with (
            _open_bytes(path) as packed,
            io.TextIOWrapper(packed, encoding, UNDECODABLE, newline) as text,
        ):
            yield text
    except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
        raise BadInputError(f"{path}: {getattr(error, 'strerror', None) or error}") from error
    except (LookupError, UnicodeError) as error:
        raise BadInputError(f"{path}: --encoding {encoding}: {error}") from error


def encoding_of(path: Path) -> str:
    """Return the encoding that the byte order mark of a file says, or UTF-8.

    Raises:
        BadInputError: The file cannot be read.
        MissingExtraError: pyarrow is not installed, and the file needs it.
    """
    try:
        with _open_bytes(path) as file:
            first = file.read(4)
    except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
        raise BadInputError(f"{path}: {getattr(error, 'strerror', None) or error}") from error
    return next((name for mark, name in _MARKS if first.startswith(mark)), "utf-8")


def _open_bytes(path: Path) -> BinaryIO:
    with path.open("rb") as file:
        first = file.read(16)
    for mark, what in _OTHERS:
        if first.startswith(mark):
            raise BadInputError(f"{path} is {what}")
    opened = next((opened for mark, opened in _PACKED if first.startswith(mark)), None)
    return path.open("rb") if opened is None else cast("BinaryIO", opened(path))


def _with_arrow(compression: str) -> Callable[[Path], Any]:
    def opened(path: Path) -> Any:
        try:
            import pyarrow as pa  # noqa: PLC0415  only where it is needed
        except ModuleNotFoundError as error:
            raise MissingExtraError(
                f"gnomon replay of {compression}", module="pyarrow", extra="workers"
            ) from error
        return io.BufferedReader(pa.input_stream(path, compression=compression))

    return opened


_PACKED: Final[tuple[tuple[bytes, Callable[[Path], Any]], ...]] = (
    (b"\x1f\x8b", gzip.GzipFile),
    (b"BZh", bz2.BZ2File),
    (b"\xfd7zXZ\x00", lzma.LZMAFile),
    (b"\x28\xb5\x2f\xfd", _with_arrow("zstd")),
    (b"\x04\x22\x4d\x18", _with_arrow("lz4")),
)
"""How to open what begins with these bytes."""


def _as_surrogates(error: UnicodeError) -> tuple[str, int]:
    """Return a surrogate for each byte that is no text, so that reading goes on behind it."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    undecodable = error.object[error.start : error.end]
    return "".join(chr(0xDC00 + byte) for byte in undecodable), error.end
