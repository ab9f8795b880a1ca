"""The compiled reader and writer of record batches, where they could be built; else aiokafka does both."""

from typing import Any, Final

from gnomon.compiled import load

batch_reader: Final[Any] = load("gnomon.runtime.kafka.compiled.batch_reader")
"""The compiled module, or ``None``; so is the next."""
batch_writer: Final[Any] = load("gnomon.runtime.kafka.compiled.batch_writer")
