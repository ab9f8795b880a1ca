"""The compiled reader and writer of record batches, where they could be built; else aiokafka does both."""

import importlib
import os
from typing import Any, Final


def _load(name: str) -> Any:
    if os.environ.get("GNOMON_PURE_PYTHON") == "1":
        return None
    try:
        return importlib.import_module(f"gnomon.runtime.kafka.compiled.{name}")
    except ImportError:
        return None


batch_reader: Final[Any] = _load("batch_reader")
"""The compiled module, or ``None``; so is the next."""
batch_writer: Final[Any] = _load("batch_writer")
