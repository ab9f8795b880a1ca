"""Checks of this machine: Python's packages, Java, compiled modules, disk, and settings."""

import importlib.metadata
import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from packaging.requirements import Requirement

from gnomon.errors import ConfigurationError
from gnomon.operations.doctor.findings import Finding, note, ok, problem
from gnomon.settings import Settings
from gnomon.settings.settings import DECLARED
from gnomon.settings.sources import problems_of_variables

GIB: Final = 1 << 30
LEAST_FREE_GIB: Final = 1
FEW_FREE_GIB: Final = 5
LOOPBACK: Final = ("127.0.0.1:", "localhost:", "[::1]:")


def settings_names(_settings: Settings) -> Iterable[Finding]:
    """Look for variables that nothing reads."""
    wrong = problems_of_variables(DECLARED, os.environ)
    if not wrong:
        yield ok("every GNOMON_ variable is a setting")
    for each in wrong:
        yield problem(each, "correct the name, or unset the variable; gnomon config table has all")


def versions(_settings: Settings) -> Iterable[Finding]:
    """Compare the installed packages with those that gnomon supports."""
    wrong = list(unfit(importlib.metadata.requires("gnomon") or ()))
    yield from wrong
    if not wrong:
        yield ok(f"gnomon {importlib.metadata.version('gnomon')}: its packages fit")


def unfit(requirements: Iterable[str]) -> Iterator[Finding]:
    """Yield a problem for each installed package of another version than required.

    Args:
        requirements: As the metadata of a distribution have them. Packages of extras that are not
            installed are left out.
    """
    told = set()
    for text in requirements:
        required = Requirement(text)
        try:
            found = importlib.metadata.version(required.name)
        except importlib.metadata.PackageNotFoundError:
            continue
        if required.name not in told and not required.specifier.contains(found, prereleases=True):
            told.add(required.name)
            wanted = f"{required.name}{required.specifier}"
            yield problem(f"{required.name} {found} is installed", f"pip install '{wanted}'")


def compiled(_settings: Settings) -> Iterable[Finding]:
    """Look whether the compiled modules are used."""
    from gnomon.compiled import load  # noqa: PLC0415
    from gnomon.features.implementation import COMPILED  # noqa: PLC0415
    from gnomon.runtime.kafka import compiled as of_kafka  # noqa: PLC0415

    modules = {
        "features": COMPILED,
        "reading batches": of_kafka.batch_reader is not None,
        "writing batches": of_kafka.batch_writer is not None,
        "sealed rows": load("gnomon.vault.compiled.sealed_rows") is not None,
        "numbers of decisions": load("gnomon.store.compiled.numbers") is not None,
        "rows for COPY": load("gnomon.store.compiled.copy_rows") is not None,
    }
    missing = [name for name, there in modules.items() if not there]
    if not missing:
        yield ok("compiled modules are used")
    elif os.environ.get("GNOMON_PURE_PYTHON") == "1":
        yield note("GNOMON_PURE_PYTHON turns the compiled modules off", "unset it")
    else:
        compiler = (
            "" if shutil.which("cc") or shutil.which("gcc") else "install gcc and python3-dev, "
        )
        yield note(
            f"not compiled: {', '.join(missing)}; features take ten times as long",
            f"{compiler}install gnomon again (pip install -v shows errors)",
        )


def java(settings: Settings) -> Iterable[Finding]:
    """Look for what a Kafka on this machine needs, if gnomon is to run one."""
    from gnomon.broker.jars import locked_jars, maven_repository  # noqa: PLC0415
    from gnomon.broker.java import find_java  # noqa: PLC0415

    if not has_own_broker(settings):
        return
    try:
        yield ok(f"{find_java(os.environ)} runs Kafka")
    except ConfigurationError as error:
        yield problem(str(error).partition(":")[0], str(error).partition(": ")[2])
        return
    repository = maven_repository(os.environ)
    missing = [jar for jar in locked_jars() if not (repository / jar.path).is_file()]
    if missing:
        yield note(
            f"{len(missing)} files of Kafka are not on this machine",
            "the first start downloads 45 MB; gnomon broker --download-only does it now",
        )


def disk(settings: Settings) -> Iterable[Finding]:
    """Look whether the data folder can be written, and how much room there is."""
    folder = Path(settings.data_dir).absolute()
    while not folder.exists():
        folder = folder.parent
    if not os.access(folder, os.W_OK):
        yield problem(f"{folder} cannot be written", "change its owner, or set GNOMON_DATA_DIR")
        return
    free = shutil.disk_usage(folder).free
    yield room(folder, free)


def room(folder: Path, free: int) -> Finding:
    """Judge the free bytes of the disk that ``folder`` is on."""
    told = f"{free / GIB:.1f} GiB are free at {folder}"
    if free < LEAST_FREE_GIB * GIB:
        return problem(told, "free disk space: Kafka and the store stop when it is full")
    if free < FEW_FREE_GIB * GIB:
        return note(told, "free disk space soon, or shorten GNOMON_TOPIC_RETENTION")
    return ok(told)


def has_own_broker(settings: Settings) -> bool:
    """Return whether the brokers are on this machine, where gnomon can run one."""
    return settings.brokers.startswith(LOOPBACK)
