"""Reads the lines of long files."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from gnomon.errors import ConfigurationError
from gnomon.long_work import ProgressCallback, no_progress

_REPORT_BYTES: Final = 1 << 20


def numbered_lines(
    path: Path, on_progress: ProgressCallback = no_progress
) -> Iterator[tuple[int, bytes]]:
    """Yield every line with its number, from 1; report how many megabytes were read.

    Raises:
        ConfigurationError: The file cannot be read.
    """
    what, read = f"reading {path.name}, MB", 0
    try:
        size = path.stat().st_size
        total, next_report = -(-size // _REPORT_BYTES), 0
        with path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                if read >= next_report:
                    on_progress(what, read // _REPORT_BYTES, total)
                    next_report = read + _REPORT_BYTES
                read += len(line)
                yield number, line
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror or error}") from error
