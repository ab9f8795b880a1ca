"""A processor of one partition on a log in memory, with a clock that tests set."""

from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families
from tests.support.kafka.memory_partition import TOPIC, MemoryPartition, NumberingStage, records

from gnomon.connection import KafkaConnection
from gnomon.runtime.metrics import Metrics
from gnomon.runtime.partition.ports import PartitionRef
from gnomon.runtime.partition.processor import PartitionProcessor
from gnomon.runtime.partition.progress import Progress
from gnomon.runtime.partition.snapshots import SnapshotStore

REF = PartitionRef(kafka=KafkaConnection("none:1"), group="g", prefix="p.", partition=0)


class Clock:
    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


class ProcessorRig:
    """A processor on a partition in memory."""

    def __init__(self, folder: Path, *values: bytes, stage: NumberingStage | None = None) -> None:
        self.log = records(*values)
        self.kafka = MemoryPartition({TOPIC: self.log})
        self.stage = stage or NumberingStage()
        self.store = SnapshotStore(folder)
        self.metrics, self.clock = Metrics(), Clock()
        self.progress = Progress(self.clock)
        self.stopping = False
        self.processor = self.successor()

    def successor(self) -> PartitionProcessor[list[int]]:
        return PartitionProcessor(
            self.stage,
            REF,
            log=self.kafka,
            snapshots=self.store,
            metrics=self.metrics,
            progress=self.progress,
            clock_s=self.clock,
            stopping=lambda: self.stopping,
        )

    async def process(
        self, start: int = 0, end: int | None = None, *, recover: bool = True
    ) -> None:
        """Recover, then commit one batch of the log."""
        async with self.kafka.open_writer() as writer:
            if recover:
                await self.processor.recover()
            await self.processor.process(writer, self.log[start:end])
            await self.processor.settle(writer)

    async def succeed(self) -> None:
        """Let a successor process the rest of the log."""
        self.processor = self.successor()
        async with self.kafka.open_writer() as writer:
            await self.processor.recover()
            if rest := self.log[self.processor.commits.offsets[TOPIC] :]:
                await self.processor.process(writer, rest)
                await self.processor.settle(writer)

    @property
    def dead(self) -> list[tuple[int, str]]:
        return [(letter.record.offset, letter.reason) for letter in self.kafka.dead]

    def metric(self, name: str, **labels: str) -> float:
        for family in text_string_to_metric_families(self.metrics.exposition()[0].decode()):
            for sample in family.samples:
                if sample.name == name and labels.items() <= sample.labels.items():
                    return sample.value
        return 0.0
