"""Reads the reports of drills, which a verdict needs."""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from gnomon.errors import ConfigurationError
from gnomon.verdict import Drill


def read_drills(paths: Sequence[Path], data_dir: str) -> list[Drill]:
    """Return the drills in files, by default those in the data folder, in the order of time.

    A file is one JSON object, an array of them, or one object a line.

    Raises:
        ConfigurationError: A file cannot be read, or is no report of a drill.
    """
    found: list[Drill] = []
    for path in paths or sorted(Path(data_dir).glob("drills/*/report.json")):
        try:
            data = path.read_bytes().strip()
            if data.startswith(b"["):
                found += msgspec.json.decode(data, type=list[Drill])
            else:
                found += _one_or_lines(data)
        except OSError as error:
            raise ConfigurationError(f"{path}: {error.strerror or error}") from error
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise ConfigurationError(f"{path}: no report of a drill: {error}") from error
    return sorted(found, key=lambda drill: (drill.at_ms, drill.drill, drill.passed))


def _one_or_lines(data: bytes) -> list[Drill]:
    try:
        return [msgspec.json.decode(data, type=Drill)]
    except msgspec.DecodeError:
        lines = data.splitlines()
        if len(lines) < 2 or not lines[0].rstrip().endswith(b"}"):  # noqa: PLR2004
            raise
        return msgspec.json.Decoder(Drill).decode_lines(data)
