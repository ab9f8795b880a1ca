"""Where settings come from: a TOML file, and environment variables above it. Unknown names are refused."""

import difflib
import re
import stat
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from gnomon.errors import ConfigurationError
from gnomon.settings.declaration import PREFIX, Setting
from gnomon.settings.variables import IN_FILES, OTHER_VARIABLES

_OF_KUBERNETES: Final = re.compile(
    r"GNOMON_(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)"
)
"""Variables that Kubernetes sets in each pod beside a service whose name begins with ``gnomon``."""
_OF_TESTS: Final = "GNOMON_TEST_"
_UNTOLD: Final = re.compile("Invalid enum value|Expected `str` matching regex")
"""Messages of msgspec that do not tell what is accepted, and may contain the value."""


@dataclass(frozen=True, slots=True)
class Given:
    """Values that somebody gave, by name, and where each came from: a variable, or a file and its key."""

    values: Mapping[str, object]
    origins: Mapping[str, str]


def given(
    declared: Mapping[str, Setting],
    *,
    environ: Mapping[str, str],
    file: Path | None = None,
    written: Mapping[str, object] | None = None,
) -> Given:
    """Gather the values of a file and of variables; a variable replaces what the file has."""
    values, origins = dict(written or {}), {name: f"{file}: {name}" for name in written or {}}
    for name, each in declared.items():
        if each.variable in environ:
            values[name], origins[name] = environ[each.variable], each.variable
    return Given(values, origins)


def refusal(
    error: msgspec.ValidationError, found: Given, declared: Mapping[str, Setting]
) -> ConfigurationError:
    """Return the error that names the origin of the value which msgspec refuses, and not the value."""
    expected, _, at = str(error).rpartition(" - at `$.")
    name = at.rstrip("`")
    if _UNTOLD.match(expected):
        expected = f"expected {declared[name].kind}"
    return ConfigurationError(f"{found.origins[name]}: {expected}")


def read_file(declared: Mapping[str, Setting], path: Path) -> Mapping[str, object]:
    """Read a file of settings, without those of agents.

    Raises:
        ConfigurationError: It cannot be read, is not TOML, has an unknown name, or a secret that
            everyone on the machine may read.
    """
    values = parsed(path)
    problems = problems_of_file(declared, path, values)
    if problems:
        raise ConfigurationError("; ".join(problems))
    return {name: value for name, value in values.items() if name in declared}


def parsed(path: Path) -> Mapping[str, object]:
    """Return what a TOML file contains.

    Raises:
        ConfigurationError: It cannot be read, or is not TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise ConfigurationError(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{path} is not a text in UTF-8") from error
    except (
        ValueError,
        RecursionError,
    ) as error:  # also a number of 5,000 digits, or so many brackets
        raise ConfigurationError(f"{path} is not TOML: {error}") from error


def problems_of_file(
    declared: Mapping[str, Setting], path: Path, values: Mapping[str, object]
) -> list[str]:
    """Return a sentence for each name that is no setting, and for secrets that everyone may read."""
    problems = [
        f"{path}: {name!r} is no setting{_nearest(name, {*declared, *IN_FILES})}"
        for name in values
        if name not in declared and name not in IN_FILES
    ]
    secrets = [name for name in values if name in declared and declared[name].secret]
    if secrets and path.stat().st_mode & stat.S_IRWXO:
        problems.append(
            f"{path} contains {secrets[0]!r} and everyone may read it: run chmod 640 {path}"
        )
    return problems


def problems_of_variables(declared: Mapping[str, Setting], environ: Mapping[str, str]) -> list[str]:
    """Return a sentence for each ``GNOMON_*`` variable that nothing reads."""
    known = {each.variable for each in declared.values()} | {each.name for each in OTHER_VARIABLES}
    return [
        f"{name} is no variable of gnomon{_nearest(name, known)}"
        for name in sorted(environ)
        if name.startswith(PREFIX) and name not in known and not _is_foreign(name)
    ]


def _is_foreign(name: str) -> bool:
    return name.startswith(_OF_TESTS) or _OF_KUBERNETES.fullmatch(name) is not None


def _nearest(name: str, known: Iterable[str]) -> str:
    found = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f"; did you mean {found[0]}?" if found else ""
