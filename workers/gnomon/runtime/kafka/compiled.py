"""The compiled reader and writer of record batches, where it could be built; else aiokafka does both."""

import importlib
import os
from typing import Any, Final


def _load() -> Any:
    if os.environ.get("GNOMON_PURE_PYTHON") == "1":
        return None
    try:
        return importlib.import_module("gnomon.runtime.kafka.recordbatch")
    except ImportError:
        return None


recordbatch: Final[Any] = _load()
"""The compiled module, or ``None``."""
