"""A writer of a new member of a consumer group, without the rest of a worker."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaConsumer

from gnomon.connection import KafkaConnection
from gnomon.runtime.kafka.transactions.group import GroupMember
from gnomon.runtime.kafka.transactions.worker_writer import PartitionWriter, WorkerWriter
from gnomon.runtime.metrics import Metrics

SESSION_MS = 60_000


async def join(brokers: str, *, group: str, topic: str) -> GroupMember:
    """Join the group in place of the member that was there before, and stay in it for a minute.

    Static members do not leave a group when they stop; the next with the same name replaces them.
    """
    consumer = AIOKafkaConsumer(
        topic,
        bootstrap_servers=brokers,
        group_id=group,
        group_instance_id="the-only-one",
        session_timeout_ms=SESSION_MS,
        enable_auto_commit=False,
    )
    await consumer.start()
    try:
        coordinator = consumer._coordinator
        return GroupMember(group, coordinator.generation, coordinator.member_id, "the-only-one")
    finally:
        await consumer.stop()


@asynccontextmanager
async def group_writer(
    brokers: str, *, group: str, prefix: str, name: str = "a", stage: str = "counting"
) -> AsyncIterator[PartitionWriter]:
    """Open a writer for partition 0, whose member replaces those of earlier writers."""
    member = await join(brokers, group=group, topic=f"{prefix}task-events")
    worker = WorkerWriter(
        kafka=KafkaConnection(brokers),
        group=group,
        stage=stage,
        prefix=prefix,
        transactional_id=f"{group}-{name}",
        metrics=Metrics(),
    )
    worker.joined(member, missed=True)
    try:
        async with worker.open(0) as writer:
            yield writer
    finally:
        await worker.stop()
