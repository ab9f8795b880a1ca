"""Finds the modules that are compiled when gnomon is installed; where they are not, Python does their work."""

import importlib
import os
from typing import Any


def load(name: str) -> Any:
    """Return the compiled module with this full name, or ``None`` if it was not built or is turned off."""
    if os.environ.get("GNOMON_PURE_PYTHON") == "1":
        return None
    try:
        return importlib.import_module(name)
    except ImportError:
        return None
