"""Compiles the parts of gnomon that are in Cython, where there is a C compiler.

Without one, or with ``GNOMON_PURE_PYTHON=1``, the build goes on: the same is there in Python.
"""

import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from Cython.Build import cythonize
from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from setuptools import Distribution, Extension
from setuptools.command.build_ext import build_ext

SOURCE = Path("workers/gnomon/features/native.pyx")
MODULE = "gnomon.features.native"


class NativeBuildHook(BuildHookInterface):  # type: ignore[type-arg]  # needs nothing of its config
    """Puts the compiled module beside its source and into the wheel."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile, or say why not."""
        if self.target_name != "wheel" or os.environ.get("GNOMON_PURE_PYTHON") == "1":
            return
        root = Path(self.root)
        try:
            built = compile_native(root)
        except Exception as error:  # whatever a compiler does, the Python form serves
            self.app.display_warning(f"{MODULE} is not compiled, Python's form serves: {error!r}")
            return
        build_data["artifacts"].append(built.relative_to(root).as_posix())
        build_data["pure_python"] = False
        build_data["infer_tag"] = True


def compile_native(root: Path) -> Path:
    """Compile ``SOURCE``; the module lands beside it.

    Raises:
        Exception: Cython's or the compiler's own.
    """
    if sys.byteorder != "little" or sys.maxsize < 1 << 32:
        raise NotImplementedError("made for little-endian machines of 64 bits")
    # Contracted to one rounding, a product and a sum would differ from Python's.
    flags = [] if os.name == "nt" else ["-O2", "-g0", "-ffp-contract=off"]
    with tempfile.TemporaryDirectory() as folder:
        source = shutil.copy(root / SOURCE, folder)
        modules = cythonize(
            [Extension(MODULE, [source], extra_compile_args=flags)], build_dir=folder, quiet=True
        )
        command = build_ext(Distribution({"name": "gnomon", "ext_modules": modules}))
        command.build_lib = command.build_temp = folder
        command.ensure_finalized()
        command.run()
        built = Path(command.get_ext_fullpath(MODULE))
        target = root / SOURCE.parent / built.name
        # Never written in place: a process that runs has the old one mapped.
        beside = shutil.copy(built, target.with_suffix(f".{os.getpid()}"))
        return Path(beside).replace(target)
