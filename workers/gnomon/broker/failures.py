"""Errors of starting a broker on this machine; each message says what to do."""

from collections.abc import Sequence
from pathlib import Path

from gnomon.errors import ConfigurationError

OLDEST_JAVA = 17
_LAST_LINES = 12
_UNREADABLE = "MetadataParseException"
"""What Kafka logs if a newer version wrote its files."""


class JavaMissingError(ConfigurationError):
    """There is no Java that is new enough."""

    def __init__(self, found: Sequence[str]) -> None:
        seen = f" (found: {'; '.join(found)})" if found else ""
        super().__init__(
            f"Kafka needs Java {OLDEST_JAVA} or newer{seen}: install Java {OLDEST_JAVA}+,"
            " set JAVA_HOME, or pip install 'gnomon[broker]'"
        )


class JarsUnavailableError(ConfigurationError):
    """Jars of Kafka are not on this machine and cannot be downloaded."""

    def __init__(self, missing: Sequence[str], *, repository: Path, cause: str) -> None:
        named = ", ".join(missing[:5]) + (f" and {len(missing) - 5} more" if missing[5:] else "")
        super().__init__(
            f"could not fetch {named}: {cause}. The first start downloads 45 MB. Without a network:"
            " run 'gnomon broker --download-only' on a machine that has one, and copy its"
            f" ~/.m2/repository to {repository} (or point M2_REPO at the copy)"
        )


class JarTamperedError(ConfigurationError):
    """The checksum of a jar differs from the lock file."""

    def __init__(self, name: str, *, expected: str, got: str) -> None:
        super().__init__(
            f"{name} was refused: its SHA-256 is {got}, the lock file says {expected}."
            " Check the Maven repository that jgo is set to use"
        )


class PortInUseError(ConfigurationError):
    """Another program listens on the port."""

    def __init__(self, port: int) -> None:
        super().__init__(
            f"port {port} is in use: stop what listens there, or choose another with --port"
            " (0 takes a free one)"
        )


class DataDirInUseError(ConfigurationError):
    """Another broker uses the same files."""

    def __init__(self, directory: Path, *, pid: str) -> None:
        super().__init__(
            f"{directory} is in use by a running broker (pid {pid or 'unknown'}):"
            " stop it, or choose another --data-dir"
        )


class BrokerStartError(ConfigurationError):
    """Kafka stopped during its start, or did not answer in time."""

    def __init__(self, what: str, *, log: Path, lines: Sequence[str]) -> None:
        super().__init__("\n  ".join([f"{what}; the last lines of {log}:", *lines]))


class NewerFilesError(BrokerStartError):
    """Kafka cannot read its files, because a newer version wrote them."""

    def __init__(self, directory: Path, *, log: Path, lines: Sequence[str]) -> None:
        super().__init__(
            f"a newer version of Kafka wrote the files in {directory}: move that folder away"
            " (it keeps the records that are in it), or choose another --data-dir",
            log=log,
            lines=lines,
        )


def start_failure(what: str, *, data: Path, logs: Sequence[tuple[Path, int]]) -> BrokerStartError:
    """Return the error of a start that failed, with what Kafka wrote during it.

    Args:
        what: What happened.
        data: The folder of Kafka's data.
        logs: Files, and the size of each before the start. The first that has grown counts.
    """
    for log, size in logs:
        lines = _read_from(log, size).splitlines()
        if lines:
            break
    for line in lines:
        if _UNREADABLE in line:
            return NewerFilesError(data, log=log, lines=[line])
    return BrokerStartError(what, log=log, lines=lines[-_LAST_LINES:])


def _read_from(path: Path, start: int) -> str:
    return path.read_bytes()[start:].decode(errors="replace") if path.is_file() else ""
