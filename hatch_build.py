"""The build hook that compiles gnomon's Cython modules where there is a C compiler.

Without a compiler, or with ``GNOMON_PURE_PYTHON=1``, the build goes on and gnomon uses the Python
modules that do the same.
"""

import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from Cython.Build import cythonize
from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from setuptools import Distribution, Extension
from setuptools.command.build_ext import build_ext

ROOT = Path("workers")
MODULES = (
    "gnomon.compiled.packed_rows",
    "gnomon.features.compiled.records",
    "gnomon.features.compiled.names",
    "gnomon.features.compiled.jsontext",
    "gnomon.features.compiled.vector",
    "gnomon.features.compiled.history",
    "gnomon.features.compiled.memory",
    "gnomon.features.compiled.native",
    "gnomon.features.compiled.eventjson",
    "gnomon.features.compiled.packedevents",
    "gnomon.features.compiled.batch",
    "gnomon.runtime.kafka.compiled.batch_reader",
    "gnomon.runtime.kafka.compiled.batch_writer",
    "gnomon.store.compiled.copy_rows",
    "gnomon.store.compiled.numbers",
    "gnomon.vault.compiled.digest",
    "gnomon.vault.compiled.sealed_rows",
)

# Contracted to one rounding, a product and a sum would differ from Python's.
USUAL = ("-O2", "-g0", "-ffp-contract=off")
BOUNDS = ("-fsanitize=bounds", "-fsanitize-undefined-trap-on-error")
"""An index outside a C array ends the process instead of reading what lies there."""


class NativeBuildHook(BuildHookInterface):  # type: ignore[type-arg]  # needs nothing of its config
    """Adds the compiled modules to the wheel, and puts them beside their sources."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile the modules, or display a warning that says why not."""
        if self.target_name != "wheel" or os.environ.get("GNOMON_PURE_PYTHON") == "1":
            return
        root = Path(self.root)
        try:
            built = compile_native(root)
        except Exception as error:  # any failure of a compiler: the Python modules do the same
            self.app.display_warning(f"gnomon is not compiled and runs slower: {error!r}")
            return
        build_data["artifacts"] += [path.relative_to(root).as_posix() for path in built]
        build_data["pure_python"] = False
        build_data["infer_tag"] = True


def compile_native(
    root: Path, *, target: Path | None = None, flags: Sequence[str] = ()
) -> Sequence[Path]:
    """Compile ``MODULES``, all or none.

    Args:
        root: The checkout.
        target: The source root that the modules are put into; by default the checkout's own, beside
            their sources.
        flags: For the compiler and the linker, in place of ``BOUNDS``: such as
            ``-fsanitize=address``.

    Raises:
        Exception: Cython's or the compiler's own.
    """
    if sys.byteorder != "little" or sys.maxsize < 1 << 32:
        raise NotImplementedError("the Cython modules need a little-endian machine of 64 bits")
    usual = () if os.name == "nt" else (*USUAL, *(flags or BOUNDS))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _copy_sources(root / ROOT, folder)
        extensions = [
            Extension(
                module,
                [str(folder / f"{module.replace('.', '/')}.pyx")],
                extra_compile_args=[*usual],
                extra_link_args=[*flags],
            )
            for module in MODULES
        ]
        modules = cythonize(extensions, include_path=[name], quiet=True)  # type: ignore[no-untyped-call]
        command = build_ext(Distribution({"name": "gnomon", "ext_modules": modules}))
        command.build_lib = command.build_temp = name
        command.ensure_finalized()
        command.run()
        built = [Path(command.get_ext_fullpath(extension.name)) for extension in extensions]
        return [_put(path, (target or root / ROOT) / path.relative_to(name)) for path in built]


def _copy_sources(root: Path, folder: Path) -> None:
    """Copy the Cython sources into packages where Cython finds the ``.pxd`` of each."""
    for source in root.glob("gnomon/**/*.p[xy][dx]"):
        relative = source.relative_to(root)
        for package in relative.parents[:-1]:
            (folder / package).mkdir(parents=True, exist_ok=True)
            (folder / package / "__init__.py").touch()
        shutil.copy(source, folder / relative)


def _put(built: Path, target: Path) -> Path:
    # The file is replaced, not rewritten: running processes have the old one mapped.
    beside = shutil.copy(built, target.with_suffix(f".{os.getpid()}"))
    return Path(beside).replace(target)
