"""The contract in a folder: writing it, comparing it with the event classes, and finding breaks."""

import json
from pathlib import Path
from typing import Final

from gnomon.contract.asyncapi import FILE_NAME as ASYNCAPI
from gnomon.contract.asyncapi import asyncapi_document
from gnomon.contract.compatibility import READ_OLD, breaking_changes, breaking_channel_changes
from gnomon.contract.export import Schema, event_schemas, render
from gnomon.errors import ConfigurationError

SUFFIX: Final = ".schema.json"
RELEASED: Final = "released"


def documents() -> dict[str, Schema]:
    """The expected content of every file of the contract, by file name."""
    schemas = {f"{kind}{SUFFIX}": schema for kind, schema in event_schemas().items()}
    return {**schemas, ASYNCAPI: asyncapi_document()}


def write(folder: Path) -> list[Path]:
    """Write the contract into ``folder``, which is created if missing; return the files in order.

    Raises:
        ConfigurationError: The folder cannot be written to.
    """
    written = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, document in documents().items():
            path = folder / name
            path.write_bytes(render(document).encode())
            written.append(path)
    except OSError as error:
        raise ConfigurationError(f"cannot write {folder}: {error}") from error
    return written


def drift(folder: Path) -> list[str]:
    """List the files of ``folder`` that differ from what :func:`write` would write."""
    expected = documents()
    found = {path.name for path in _contract_files(folder)}
    unlike = [
        f"{folder / name}: differs from the event classes"
        for name, document in expected.items()
        if name in found and (folder / name).read_bytes() != render(document).encode()
    ]
    missing = [f"{folder / name}: missing" for name in expected if name not in found]
    unknown = [f"{folder / name}: no event has this tag" for name in sorted(found - set(expected))]
    return unlike + missing + unknown


def breaks(folder: Path) -> list[str]:
    """List what the event classes break for readers and records of the contract in ``folder``.

    Raises:
        ConfigurationError: ``folder`` holds no contract, or a file that is no JSON object.
    """
    files = _contract_files(folder)
    if not files:
        raise ConfigurationError(f"{folder} holds no *{SUFFIX}")
    ours = documents()
    found = []
    for path in files:
        old, new = _read(path), ours.get(path.name)
        if new is None:
            found.append(f"{path.name}: removed or renamed: {READ_OLD}")
            continue
        compare = breaking_channel_changes if path.name == ASYNCAPI else breaking_changes
        try:
            sentences = compare(old, new)
        except (KeyError, TypeError, AttributeError) as error:
            raise ConfigurationError(f"{path} is no contract of gnomon: {error!r}") from error
        found += [f"{path.name.removesuffix(SUFFIX)}: {sentence}" for sentence in sentences]
    return found


def newest_release(folder: Path) -> Path | None:
    """The newest folder in ``folder/released``; the names are versions such as ``0.1.0``.

    Raises:
        ConfigurationError: A folder is not named like a version.
    """
    releases = [path for path in (folder / RELEASED).glob("*") if path.is_dir()]
    return max(releases, key=_version, default=None)


def _version(path: Path) -> tuple[int, ...]:
    try:
        return tuple(int(number) for number in path.name.split("."))
    except ValueError as error:
        raise ConfigurationError(f"{path} is not named like a version, 1.2.3") from error


def _contract_files(folder: Path) -> list[Path]:
    named = [*sorted(folder.glob(f"*{SUFFIX}")), folder / ASYNCAPI]
    return [path for path in named if path.is_file()]


def _read(path: Path) -> Schema:
    try:
        document = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{path} cannot be read: {error}") from error
    if not isinstance(document, dict):
        raise ConfigurationError(f"{path} is not a JSON object")
    return document
