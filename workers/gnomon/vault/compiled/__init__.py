"""Hashes and JSON of sealed decisions in Cython, where they could be built; else Python makes both."""

import importlib
import os
from typing import Any


def load(name: str) -> Any:
    """Return the compiled module ``name``, or ``None``."""
    if os.environ.get("GNOMON_PURE_PYTHON") == "1":
        return None
    try:
        return importlib.import_module(f"gnomon.vault.compiled.{name}")
    except ImportError:
        return None
