"""The partition in memory keeps the contract that the real one keeps."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager

import pytest
from tests.support.kafka.memory_partition import TOPIC, MemoryPartition, records
from tests.support.kafka.partition_log_contract import OUT, PartitionLogContract

from gnomon.runtime.partition.ports import OutputWriter


class _InMemory:
    topic = TOPIC

    def __init__(self) -> None:
        self.log = MemoryPartition({TOPIC: []})

    def open_writer(self) -> AbstractAsyncContextManager[OutputWriter]:
        return self.log.open_writer()

    async def append(self, *values: bytes) -> None:
        self.log.inputs[TOPIC] += records(*values, start=len(self.log.inputs[TOPIC]))

    async def outputs(self) -> Sequence[bytes]:
        return self.log.written[OUT]


class TestMemoryPartition(PartitionLogContract):
    """Its contract."""

    @pytest.fixture
    def kafka(self) -> _InMemory:
        return _InMemory()
