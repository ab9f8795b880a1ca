"""Kafka's jars, pinned by ``jgo.lock.toml`` and kept in the user's Maven repository.

A jar is used only if its SHA-256 is that of the lock file. A download goes to a temporary
directory and is moved into place after the check. So neither a broken download nor a second
process that downloads at the same time leaves an incomplete jar.
"""

import hashlib
import importlib
import tempfile
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from gnomon.broker.failures import JarsUnavailableError, JarTamperedError
from gnomon.errors import MissingExtraError

LOCK_FILE = Path(__file__).with_name("jgo.lock.toml")
_DOWNLOADS_AT_ONCE = 4
_TIMEOUT_S = 30
Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Jar:
    """One jar as the lock file pins it."""

    group: str
    artifact: str
    version: str
    sha256: str

    @property
    def name(self) -> str:
        """File name."""
        return f"{self.artifact}-{self.version}.jar"

    @property
    def path(self) -> Path:
        """Path of the jar inside a Maven repository."""
        return Path(*self.group.split("."), self.artifact, self.version, self.name)


class JarSource(Protocol):
    """Downloads jars that are not on this machine."""

    def fetch(self, jar: Jar, *, into: Path) -> Path:
        """Download ``jar`` into the directory ``into``; return the path of the file.

        Called from several threads.

        Raises:
            OSError: The jar could not be downloaded.
            MissingExtraError: The package that downloads is not installed.
        """


class MavenSource:
    """Downloads from jgo's repositories: Maven Central, unless jgo's settings name others."""

    def fetch(self, jar: Jar, *, into: Path) -> Path:
        """See ``JarSource``."""
        try:
            jgo, maven = importlib.import_module("jgo"), importlib.import_module("jgo.maven")
        except ModuleNotFoundError as error:
            raise MissingExtraError(
                "the embedded broker", module=error.name or "jgo", extra="broker"
            ) from error
        context = maven.MavenContext(
            repo_cache=into,
            remote_repos={
                "central": jgo.MAVEN_CENTRAL_URL,
                **jgo.GlobalSettings.load().repositories,
            },
            timeout=_TIMEOUT_S,
        )
        artifact = context.project(jar.group, jar.artifact).at_version(jar.version).artifact()
        try:
            fetched = context.resolver.download(artifact)
        except RuntimeError as error:  # jgo raises this if no repository has the jar
            raise FileNotFoundError(str(error)) from error
        return Path(fetched)


def locked_jars(lock_file: Path = LOCK_FILE) -> tuple[Jar, ...]:
    """Return every jar on Kafka's class path, in that order."""
    lock = tomllib.loads(lock_file.read_text(encoding="utf-8"))
    return tuple(
        Jar(
            group=entry["groupId"],
            artifact=entry["artifactId"],
            version=entry["version"],
            sha256=entry["sha256"],
        )
        for entry in lock["dependencies"]
    )


def maven_repository(environ: Mapping[str, str]) -> Path:
    """Return the user's Maven repository: ``M2_REPO``, or else ``~/.m2/repository``."""
    given = environ.get("M2_REPO")
    return Path(given) if given else Path.home() / ".m2" / "repository"


def ensure_jars(
    jars: Sequence[Jar], *, repository: Path, source: JarSource, progress: Progress
) -> list[Path]:
    """Return the paths of all ``jars``, each checked; download missing and broken ones.

    Args:
        jars: The jars.
        repository: A Maven repository on this machine, read and written.
        source: Downloads missing jars.
        progress: Called with a line of text for each download.

    Raises:
        JarsUnavailableError: Jars could not be downloaded or written; the message names them.
        JarTamperedError: The checksum of a download differs from the lock file.
    """
    missing = [jar for jar in jars if not _is_intact(repository / jar.path, jar)]
    if missing:
        _download(missing, repository=repository, source=source, progress=progress)
    return [repository / jar.path for jar in jars]


def _download(
    missing: Sequence[Jar], *, repository: Path, source: JarSource, progress: Progress
) -> None:
    failed: dict[str, OSError] = {}
    progress(f"downloading kafka jars 0/{len(missing)} to {repository}")
    try:
        repository.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".gnomon-", dir=repository) as scratch:
            downloads = _each_download(missing, repository, source, Path(scratch))
            for done, (jar, error) in enumerate(downloads, start=1):
                if error is None:
                    progress(f"downloading kafka jars {done}/{len(missing)} {jar.name}")
                else:
                    failed[jar.name] = error
    except OSError as error:
        raise JarsUnavailableError(
            [jar.name for jar in missing], repository=repository, cause=str(error)
        ) from error
    if failed:
        cause = next(iter(failed.values()))
        raise JarsUnavailableError(
            sorted(failed), repository=repository, cause=f"{type(cause).__name__}: {cause}"
        ) from cause


def _each_download(
    missing: Sequence[Jar], repository: Path, source: JarSource, scratch: Path
) -> Iterator[tuple[Jar, OSError | None]]:
    """Yield each jar when its download ends, with the error if it failed."""
    with ThreadPoolExecutor(_DOWNLOADS_AT_ONCE) as pool:
        tasks = {
            pool.submit(_download_one, jar, repository, source, scratch): jar for jar in missing
        }
        try:
            for task in as_completed(tasks):
                error = task.exception()
                if error is not None and not isinstance(error, OSError):
                    raise error
                yield tasks[task], error
        finally:
            pool.shutdown(cancel_futures=True)  # on Ctrl-C, do not start the other downloads


def _download_one(jar: Jar, repository: Path, source: JarSource, scratch: Path) -> None:
    fetched = source.fetch(jar, into=scratch)
    if not _is_intact(fetched, jar):
        raise JarTamperedError(jar.name, expected=jar.sha256, got=_sha256(fetched))
    target = repository / jar.path
    target.parent.mkdir(parents=True, exist_ok=True)
    fetched.replace(target)


def _is_intact(path: Path, jar: Jar) -> bool:
    return path.is_file() and _sha256(path) == jar.sha256


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
