"""Creates the worker of a partition on a Kafka cluster."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

from gnomon.runtime.kafka.leaders import Leaders
from gnomon.runtime.kafka.transactions.worker_writer import WorkerWriter
from gnomon.runtime.metrics import Metrics
from gnomon.runtime.partition.log.partition_log import KafkaPartitionLog
from gnomon.runtime.partition.ports import PartitionRef, Stage
from gnomon.runtime.partition.snapshots import SnapshotStore
from gnomon.runtime.partition.spacing import Schedule
from gnomon.runtime.partition.worker import PartitionWorker

State = TypeVar("State")


def kafka_partition_worker(
    stage: Stage[State],
    ref: PartitionRef,
    *,
    writer: WorkerWriter,
    leaders: Leaders,
    recovery_slots: asyncio.Semaphore,
    snapshots: SnapshotStore,
    schedule: Schedule,
    metrics: Metrics,
    clock_s: Callable[[], float],
    set_paused: Callable[[bool], None],
    on_failure: Callable[[PartitionWorker[State], Exception], None],
) -> PartitionWorker[State]:
    """Create a worker that is not started and writes through ``writer``.

    For the other arguments see ``PartitionWorker``.
    """
    return PartitionWorker(
        stage,
        ref,
        log=KafkaPartitionLog(ref, read_offsets=writer.offsets.read, leaders=leaders),
        open_writer=lambda: writer.open(ref.partition),
        recovery_slots=recovery_slots,
        snapshots=snapshots,
        schedule=schedule,
        metrics=metrics,
        clock_s=clock_s,
        set_paused=set_paused,
        on_failure=on_failure,
    )
