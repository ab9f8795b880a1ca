"""How the stages stand, asked of the broker alone: it works with every worker dead."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import msgspec
from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from aiokafka.structs import TopicPartition

from gnomon import codec
from gnomon.comparison import merge_ledgers
from gnomon.errors import BrokerUnavailableError
from gnomon.events import Ledger
from gnomon.runtime.reading import read_topic
from gnomon.topics import (
    COMPARISON_METRICS,
    COMPARISONS,
    SHADOW_PREDICTIONS,
    TASK_EVENTS,
    TASK_FEATURES,
)

INPUTS: Mapping[str, tuple[str, ...]] = {
    "features": (TASK_EVENTS.name,),
    "shadow": (TASK_FEATURES.name,),
    "comparison": (TASK_EVENTS.name, TASK_FEATURES.name, SHADOW_PREDICTIONS.name),
    "vault": (COMPARISONS.name,),
}
"""What each stage reads; a test holds it against the stages."""


@dataclass(frozen=True, slots=True)
class StageOverview:
    """One stage: group members, and records not yet committed by topic partition."""

    name: str
    workers: int
    lag_by_partition: Mapping[str, int]

    @property
    def lag(self) -> int:
        """Records in all."""
        return sum(self.lag_by_partition.values())

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {**asdict(self), "lag": self.lag}


def group_of(stage: str, prefix: str) -> str:
    """The consumer group of a stage."""
    return f"{prefix}gnomon-{stage}"


async def overview(*, brokers: str, prefix: str) -> list[StageOverview]:
    """Every stage, in the order of the pipeline.

    Raises:
        BrokerUnavailableError: No broker answers.
    """
    consumer = AIOKafkaConsumer(bootstrap_servers=brokers)
    admin = AIOKafkaAdminClient(bootstrap_servers=brokers)
    try:
        await consumer.start()
        await admin.start()
        return [await _stage(name, prefix, consumer, admin) for name in INPUTS]
    except KafkaError as error:
        raise BrokerUnavailableError(
            f"{brokers}: {error!r}; start one with gnomon broker, or set GNOMON_BROKERS"
        ) from error
    finally:
        await consumer.stop()
        await admin.close()


async def _stage(
    name: str, prefix: str, consumer: AIOKafkaConsumer, admin: AIOKafkaAdminClient
) -> StageOverview:
    group = group_of(name, prefix)
    known = await consumer.topics()
    tps = [
        TopicPartition(prefix + topic, partition)
        for topic in INPUTS[name]
        if prefix + topic in known
        for partition in sorted(consumer.partitions_for_topic(prefix + topic) or ())
    ]
    workers = len(await _members(admin, group))
    if not tps:
        return StageOverview(name, workers, {})
    ends, begins = await consumer.end_offsets(tps), await consumer.beginning_offsets(tps)
    committed = await admin.list_consumer_group_offsets(group, partitions=tps)
    done = {tp: committed[tp].offset if tp in committed else -1 for tp in tps}
    lag = {f"{tp.topic}[{tp.partition}]": ends[tp] - max(done[tp], begins[tp]) for tp in tps}
    return StageOverview(name, workers, lag)


async def _members(admin: AIOKafkaAdminClient, group: str) -> list[Any]:
    described = await admin.describe_consumer_groups([group])
    _error, _group, _state, _kind, _protocol, members, *_ = described[0].groups[0]
    return list(members)


async def read_ledger(*, brokers: str, prefix: str) -> dict[str, int]:
    """The newest ledger of every partition, added up, by state."""
    latest: dict[int, Ledger] = {}
    async for record in read_topic(
        brokers=brokers, topic=prefix + COMPARISON_METRICS.name, follow=False
    ):
        if record.value is not None:
            event = codec.decode_metrics(record.value)
            if isinstance(event, Ledger):
                latest[event.partition] = event
    counts = msgspec.to_builtins(merge_ledgers(latest.values()))
    return {name: n for name, n in counts.items() if name not in {"kind", "partition"}}
