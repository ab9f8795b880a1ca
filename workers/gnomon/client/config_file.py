"""Reads the settings of agents from the file that ``GNOMON_CONFIG`` names, which workers may share.

A key is the name of a variable without ``GNOMON_``, in small letters. Keys that are not of agents are left
alone: ``gnomon config check`` tells which are of nobody. The parser is imported only if there is a file.
"""

import os
import stat
from collections.abc import Mapping
from typing import Final

from gnomon.errors import ConfigurationError

PREFIX: Final = "GNOMON_"
_VARIABLE: Final = f"{PREFIX}CONFIG"
_SECRET: Final = "kafka_sasl_password"  # noqa: S105  the name of a setting


def with_file(environ: Mapping[str, str]) -> Mapping[str, str]:
    """Return ``environ`` with what the file says of variables that are not set.

    Raises:
        ConfigurationError: The file cannot be read, is not TOML, or has a password that everyone on the
            machine may read.
    """
    path = environ.get(_VARIABLE, "")
    if not path:
        return environ
    import tomllib  # noqa: PLC0415  an agent without a file does not wait for it

    try:
        with open(path, "rb") as file:  # noqa: PTH123  importing pathlib takes longer
            others_may_read = os.fstat(file.fileno()).st_mode & stat.S_IRWXO
            values = tomllib.load(file)
    except OSError as error:
        raise ConfigurationError(f"{_VARIABLE}: cannot read {path}: {error.strerror}") from None
    except ValueError as error:  # of TOML, or of UTF-8
        raise ConfigurationError(f"{_VARIABLE}: {path} is not TOML: {error}") from None
    if _SECRET in values and others_may_read:
        raise ConfigurationError(
            f"{path} contains {_SECRET!r} and everyone may read it: run chmod 640 {path}"
        )
    written = {f"{PREFIX}{name.upper()}": _text(value) for name, value in values.items()}
    return {**{name: text for name, text in written.items() if text is not None}, **environ}


def _text(value: object) -> str | None:
    """Return a value as a variable has it; ``None`` for a list or a table, which no setting is."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, str | int | float) else None
