"""Whether record batches are written and read in C: where that could be built, else by aiokafka."""

import importlib
import os
from typing import Any, Final


def _chosen() -> Any:
    if os.environ.get("GNOMON_PURE_PYTHON") == "1":
        return None
    try:
        return importlib.import_module("gnomon.runtime.kafka.recordbatch")
    except ImportError:
        return None


recordbatch: Final[Any] = _chosen()
"""The module, or ``None``."""
