"""Workers of one partition whose Kafka is in memory, and whose clock the test moves."""

import asyncio
from pathlib import Path

from tests.support.kafka.memory_partition import (
    TOPIC,
    MemoryPartition,
    NumberingStage,
    batch,
    records,
)
from tests.support.polling import eventually

from gnomon.connection import KafkaConnection
from gnomon.runtime.metrics import Metrics
from gnomon.runtime.partition.ports import PartitionRef
from gnomon.runtime.partition.snapshots import Snapshot, SnapshotStore
from gnomon.runtime.partition.spacing import Schedule
from gnomon.runtime.partition.worker import PartitionWorker

REF = PartitionRef(kafka=KafkaConnection("none:1"), group="g", prefix="p.", partition=0)
BATCH = 2


class Clock:
    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


class CrashingStore(SnapshotStore):
    """A crash may come before a snapshot is written or after it."""

    def __init__(self, folder: Path, kafka: MemoryPartition) -> None:
        super().__init__(folder)
        self._kafka = kafka

    def save(self, partition: int, snapshot: Snapshot) -> Path:
        self._kafka.call("save")
        path = super().save(partition, snapshot)
        self._kafka.call("saved")
        return path


class Rig:
    """Workers of one partition in memory, one after another or at once."""

    def __init__(self, folder: Path, *values: bytes, stage: NumberingStage | None = None) -> None:
        self.log = records(*values)
        self.kafka = MemoryPartition({TOPIC: self.log})
        self.stage = stage or NumberingStage()
        self.store = CrashingStore(folder, self.kafka)
        self.clock, self.slots = Clock(), asyncio.Semaphore(1)
        self.failures: list[Exception] = []
        self.pauses: list[bool] = []
        self.workers: list[PartitionWorker[list[int]]] = []

    def new_worker(self) -> PartitionWorker[list[int]]:
        worker = PartitionWorker(
            self.stage,
            REF,
            log=self.kafka,
            open_writer=self.kafka.open_writer,
            recovery_slots=self.slots,
            snapshots=self.store,
            schedule=Schedule(snapshot_every_s=60.0),
            metrics=Metrics(),
            clock_s=self.clock,
            set_paused=self.pauses.append,
            on_failure=lambda _, error: self.failures.append(error),
        )
        self.workers.append(worker)
        return worker

    def start(self) -> PartitionWorker[list[int]]:
        worker = self.new_worker()
        worker.start()
        return worker

    async def start_writing(
        self, count: int = BATCH
    ) -> tuple[PartitionWorker[list[int]], asyncio.Event]:
        """A worker whose write of the first ``count`` records waits for the event."""
        worker, may_write = self.start(), self.hold_writes()
        await self.feed(worker, 0, count)
        await self.writes()
        return worker, may_write

    def hold_writes(self) -> asyncio.Event:
        """From now on, a write waits for the event."""
        may_write = asyncio.Event()
        self.kafka.gate = may_write.wait
        return may_write

    async def writes(self) -> None:
        await eventually(lambda: "write" in self.kafka.calls, what="it writes")

    async def feed(self, worker: PartitionWorker[list[int]], start: int, end: int) -> None:
        """Batches of the log, as a consumer that begins at ``start`` fetches them."""
        for at in range(start, end, BATCH):
            await worker.put(batch(self.log[at : min(end, at + BATCH)], start=at))

    async def committed(self, offset: int) -> None:
        await eventually(
            lambda: self.kafka.committed.get(TOPIC, 0) >= offset, what=f"committed {offset}"
        )

    def settled(self, offset: int, failures: int) -> bool:
        """Whether ``offset`` is committed, or there are more failures than there were."""
        return self.kafka.committed.get(TOPIC) == offset or len(self.failures) > failures

    async def failed(self) -> Exception:
        await eventually(lambda: self.failures, what="a failure")
        return self.failures[-1]
