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
_OF_AGENTS: Final = frozenset(
    [
        "brokers",
        "topic_prefix",
        "disabled",
        "agent_id",
        "tenant",
        "spool_dir",
        "spool_bytes",
        "seal_to",
    ]
)
_SECRET: Final = "kafka_sasl_password"  # noqa: S105  the name of a setting


def with_file(environ: Mapping[str, str]) -> Mapping[str, str]:
    """Return ``environ`` with what the file says of variables that are not set.

    Raises:
        ConfigurationError: The file cannot be read, is not TOML, has a list or table for a setting of
            agents, or a password that everyone on the machine may read.
    """
    path = environ.get(_VARIABLE, "")
    if not path:
        return environ
    import tomllib  # noqa: PLC0415  an agent without a file does not wait for it

    try:
        with open(path, "rb") as file:  # noqa: PTH123  importing pathlib takes longer
            others_may_read = os.fstat(file.fileno()).st_mode & stat.S_IRWXO
            values = tomllib.loads(file.read().decode("utf-8-sig"))
    except OSError as error:
        raise ConfigurationError(f"{_VARIABLE}: cannot read {path}: {error.strerror}") from None
    except ValueError as error:  # of TOML, or of UTF-8
        raise ConfigurationError(f"{_VARIABLE}: {path} is not TOML: {error}") from None
    if _SECRET in values and others_may_read:
        raise ConfigurationError(
            f"{path} contains {_SECRET!r} and everyone may read it: run chmod 640 {path}"
        )
    written = {f"{PREFIX}{name.upper()}": _text(value) for name, value in values.items()}
    for name in values:
        if written[f"{PREFIX}{name.upper()}"] is None and _is_of_agents(name):
            raise ConfigurationError(f"{path}: {name}: expected text, got another type")
    return {**{name: text for name, text in written.items() if text is not None}, **environ}


def _is_of_agents(name: str) -> bool:
    return name in _OF_AGENTS or name.startswith("kafka_")


def _text(value: object) -> str | None:
    """Return a value as a variable has it; ``None`` for a list or a table, which no setting is."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, str | int | float) else None
