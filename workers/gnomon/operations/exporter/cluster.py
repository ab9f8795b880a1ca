"""What the Kafka API tells of brokers and topics, so that no exporter inside the brokers is needed."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from aiokafka.errors import KafkaError
from aiokafka.structs import TopicPartition

from gnomon.connection import KafkaConnection, aiokafka_clients
from gnomon.connection.refusals import broker_error


class TopicState(NamedTuple):
    """One topic.

    Attributes:
        partitions: How many there are.
        under_replicated: Partitions with fewer copies in sync than they should have.
        leaderless: Partitions that nobody can write to or read.
        offsets: Sum of the offsets after the last record of each partition.
        kept: Offsets between the first record that is left and the last one.
    """

    partitions: int
    under_replicated: int
    leaderless: int
    offsets: int
    kept: int


class ClusterState(NamedTuple):
    """The brokers, and the state of each topic that exists, by full name."""

    brokers: int
    topics: dict[str, TopicState]


async def read_cluster(kafka: KafkaConnection, topics: Sequence[str]) -> ClusterState:
    """Return the state of the cluster and of ``topics``.

    Raises:
        BrokerUnavailableError: No broker answers.
    """
    admin = aiokafka_clients.admin(kafka)
    consumer = aiokafka_clients.consumer(kafka, retry_backoff_ms=aiokafka_clients.ASK_AGAIN_MS)
    try:
        await admin.start()
        await consumer.start()
        cluster = await admin.describe_cluster()
        found = [each for each in await admin.describe_topics(list(topics)) if _exists(each)]
        tps = [
            TopicPartition(each["topic"], part["partition"])
            for each in found
            for part in each["partitions"]
            if part["leader"] >= 0
        ]
        begins = await consumer.beginning_offsets(tps) if tps else {}
        ends = await consumer.end_offsets(tps) if tps else {}
    except KafkaError as error:
        raise await broker_error(kafka, error) from error
    finally:
        await consumer.stop()
        await admin.close()
    states = {each["topic"]: _state(each, begins, ends) for each in found}
    return ClusterState(len(cluster["brokers"]), states)


def _exists(described: Any) -> bool:
    return not described["error_code"] and bool(described["partitions"])


def _state(
    described: Any, begins: dict[TopicPartition, int], ends: dict[TopicPartition, int]
) -> TopicState:
    parts = described["partitions"]
    tps = [TopicPartition(described["topic"], part["partition"]) for part in parts]
    return TopicState(
        partitions=len(parts),
        under_replicated=sum(len(part["isr"]) < len(part["replicas"]) for part in parts),
        leaderless=sum(part["leader"] < 0 for part in parts),
        offsets=sum(ends.get(tp, 0) for tp in tps),
        kept=sum(ends.get(tp, 0) - begins.get(tp, 0) for tp in tps),
    )
