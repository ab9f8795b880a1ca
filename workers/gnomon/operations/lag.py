"""Reads lag and members of each stage from the broker alone, also if no worker runs."""

import asyncio
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import msgspec
from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from aiokafka.structs import TopicPartition

from gnomon.connection import KafkaConnection, aiokafka_clients
from gnomon.connection.refusals import broker_error
from gnomon.operations.models.latest_metrics import read_figures
from gnomon.runtime.kafka.reading import all_at_once, partitions_of, retry_transient
from gnomon.topics import (
    COMPARISON_METRICS,
    COMPARISONS,
    SHADOW_PREDICTIONS,
    TASK_EVENTS,
    TASK_FEATURES,
    group_of,
)

INPUTS: Mapping[str, tuple[str, ...]] = {
    "features": (TASK_EVENTS.name,),
    "shadow": (TASK_FEATURES.name,),
    "comparison": (TASK_EVENTS.name, TASK_FEATURES.name, SHADOW_PREDICTIONS.name),
    "vault": (COMPARISONS.name, COMPARISON_METRICS.name),
}
"""Input topics of each stage; a test compares them with the stages."""
OPTIONAL_INPUTS: Mapping[str, tuple[str, ...]] = {"collector": ("otlp_spans",)}
"""Input topics of optional stages, which are only listed where the topics exist."""


FEW = 100
"""Up to this lag in offsets, records are counted one by one."""
COUNT_S = 1.0
COORDINATOR_S = 15.0
"""A cluster that was never asked about a group first creates the topic of group offsets."""


@dataclass(frozen=True, slots=True)
class StageOverview:
    """One stage: number of group members, and lag in records by topic partition."""

    name: str
    workers: int
    lag_by_partition: Mapping[str, int]

    @property
    def lag(self) -> int:
        """Return the lag in records over all partitions."""
        return sum(self.lag_by_partition.values())

    def as_dict(self) -> dict[str, Any]:
        """Return a dict for JSON."""
        return {**asdict(self), "lag": self.lag}


async def overview(*, kafka: KafkaConnection, prefix: str) -> list[StageOverview]:
    """Return every stage, in the order of the pipeline.

    Raises:
        BrokerUnavailableError: No broker answers.
    """
    every = {**OPTIONAL_INPUTS, **INPUTS}
    names = sorted({prefix + topic for inputs in every.values() for topic in inputs})
    partitions = await partitions_of(kafka, names)
    # To a reader of committed records, the log ends where the first open transaction begins.
    uncommitted = aiokafka_clients.consumer(kafka, retry_backoff_ms=aiokafka_clients.ASK_AGAIN_MS)
    admin = aiokafka_clients.admin(kafka)
    try:
        await uncommitted.start()
        await admin.start()
        ends = await uncommitted.end_offsets([tp for tps in partitions.values() for tp in tps])
        stages = [
            _stage(
                kafka,
                name,
                group_of(name, prefix),
                {tp: ends[tp] for topic in inputs for tp in partitions.get(prefix + topic, ())},
                admin,
            )
            for name, inputs in every.items()
            if name in INPUTS or prefix + inputs[0] in partitions
        ]
        return await all_at_once(stages)
    except KafkaError as error:
        raise await broker_error(kafka, error) from error
    finally:
        await uncommitted.stop()
        await admin.close()


async def _stage(
    kafka: KafkaConnection,
    name: str,
    group: str,
    ends: Mapping[TopicPartition, int],
    admin: AIOKafkaAdminClient,
) -> StageOverview:
    workers = len(await retry_transient(lambda: _members(admin, group), within_s=COORDINATOR_S))
    if not ends:
        return StageOverview(name, workers, {})
    consumer = aiokafka_clients.consumer(
        kafka,
        isolation_level="read_committed",
        fetch_max_wait_ms=20,  # a request for offsets is queued behind a fetch that waits
        retry_backoff_ms=aiokafka_clients.ASK_AGAIN_MS,
    )
    try:
        await consumer.start()
        lag = await _lag(group, ends, consumer, admin)
    finally:
        await consumer.stop()
    return StageOverview(name, workers, {f"{tp.topic}[{tp.partition}]": lag[tp] for tp in ends})


async def _lag(
    group: str,
    ends: Mapping[TopicPartition, int],
    consumer: AIOKafkaConsumer,
    admin: AIOKafkaAdminClient,
) -> dict[TopicPartition, int]:
    tps = list(ends)
    begins = await consumer.beginning_offsets(tps)
    committed = await admin.list_consumer_group_offsets(group, partitions=tps)
    done = {tp: committed[tp].offset if tp in committed else -1 for tp in tps}
    starts = {tp: max(done[tp], begins[tp]) for tp in tps}
    lag = {tp: max(0, ends[tp] - starts[tp]) for tp in tps}
    return lag | await _count_records(
        consumer, {tp: starts[tp] for tp in tps if 0 < lag[tp] <= FEW}, ends
    )


async def _count_records(
    consumer: AIOKafkaConsumer,
    starts: Mapping[TopicPartition, int],
    ends: Mapping[TopicPartition, int],
) -> dict[TopicPartition, int]:
    """Count the records: the end of a transaction occupies an offset but is no record.

    What cannot be read, because a transaction is open or time is short, is counted by offsets.
    """
    counts = dict.fromkeys(starts, 0)
    if not counts:
        return counts
    consumer.assign(list(counts))
    for tp, start in starts.items():
        consumer.seek(tp, start)
    loop = asyncio.get_running_loop()
    deadline = loop.time() + COUNT_S
    while loop.time() < deadline and [
        tp for tp in counts if await consumer.position(tp) < ends[tp]
    ]:
        for tp, records in (await consumer.getmany(timeout_ms=100)).items():
            counts[tp] += sum(record.offset < ends[tp] for record in records)
    return {tp: n + max(0, ends[tp] - await consumer.position(tp)) for tp, n in counts.items()}


async def _members(admin: AIOKafkaAdminClient, group: str) -> list[Any]:
    described = await admin.describe_consumer_groups([group])
    _error, _group, _state, _kind, _protocol, members, *_ = described[0].groups[0]
    return list(members)


async def read_ledger(*, kafka: KafkaConnection, prefix: str) -> dict[str, int]:
    """Return the newest ledgers of all partitions, added up, by state."""
    ledger = (await read_figures(kafka=kafka, prefix=prefix)).ledger
    counts: dict[str, int] = msgspec.structs.asdict(ledger)
    del counts["partition"]
    return counts
