"""Builds gnomon with sanitizers into a folder of its own."""

import importlib
import shutil
import subprocess
import sysconfig
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
hatch_build: Any = importlib.import_module("hatch_build")  # its own imports are untyped
# Python's own flags define what a sum does that is too large for its type; here it is reported.
FLAGS = (
    "-g1",
    "-O1",
    "-fno-omit-frame-pointer",
    "-fno-wrapv",
    "-fsanitize=address,undefined",
    "-fsanitize-coverage=trace-pc",
)


def build(folder: Path) -> Path:
    """Copy the package into ``folder``, with modules that have sanitizers.

    Returns:
        The library that counts the steps they take.

    Raises:
        Exception: The compiler's own, or Cython's.
    """
    shutil.rmtree(folder, ignore_errors=True)
    source = ROOT / hatch_build.ROOT
    ignored = shutil.ignore_patterns("*.so", "*.pyd", "__pycache__")
    shutil.copytree(source / "gnomon", folder / "gnomon", ignore=ignored)
    hatch_build.compile_native(ROOT, target=folder, flags=FLAGS)
    counter = folder / "coverage.so"
    command = [compiler_name(), "-shared", "-fPIC", "-O3", "-o", str(counter)]
    command.append(str(Path(__file__).with_name("coverage.c")))
    subprocess.run(command, check=True)  # noqa: S603  the compiler that Python names
    return counter


def compiler_name() -> str:
    """The C compiler that Python's extensions are compiled with."""
    return str(sysconfig.get_config_var("CC") or "cc").split()[0]


def library(name: str) -> str | None:
    """Where the compiler has a shared library, such as ``libasan.so``; ``None`` if it has not."""
    command = [compiler_name(), f"-print-file-name={name}"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603
    except (OSError, subprocess.CalledProcessError):
        return None
    found = Path(done.stdout.strip())
    return str(found.resolve()) if found.is_absolute() else None
