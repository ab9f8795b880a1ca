"""Creates gnomon's topics on a Kafka cluster, and compares existing topics with the contract."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TypedDict

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, for_code

from gnomon.connection import KafkaConnection, aiokafka_clients
from gnomon.connection.refusals import broker_error
from gnomon.errors import ConfigurationError
from gnomon.long_work import ProgressCallback, no_progress
from gnomon.operations.topic_differences import AS_IN_CONTRACT, Difference, TopicState, compare
from gnomon.settings import Settings
from gnomon.topics import DEFAULT_PARTITIONS, TOPICS, retention_by_topic

_CONNECT_S = 4.0
_CREATED_S = 30.0
_POLL_S = 0.1
_ALREADY_EXISTS = 36


class TopicShape(TypedDict):
    """What an installation decides about its topics: arguments of ``create_topics``."""

    partitions: int
    replication: int
    retention_ms: Mapping[str, int]


def shape_of(settings: Settings) -> TopicShape:
    """Return what ``settings`` say about the topics.

    Raises:
        ConfigurationError: The retention cannot be read.
    """
    return TopicShape(
        partitions=settings.topic_partitions,
        replication=settings.topic_replication,
        retention_ms=retention_by_topic(settings.topic_retention),
    )


async def create_topics(
    kafka: KafkaConnection,
    *,
    prefix: str = "",
    partitions: int = DEFAULT_PARTITIONS,
    replication: int = 1,
    retention_ms: Mapping[str, int] = AS_IN_CONTRACT,
    on_progress: ProgressCallback = no_progress,
) -> list[str]:
    """Create the topics that are missing, and wait until each partition has a leader.

    Existing topics are not changed: see ``check_topics``.

    Args:
        kafka: The cluster.
        prefix: Of every name.
        partitions: Of each topic.
        replication: Copies of each partition.
        retention_ms: How long topics keep records, by name without the prefix, where it differs from
            the contract.
        on_progress: Takes how many partitions have a leader.

    Returns:
        Names, with the prefix, of the topics this call created.

    Raises:
        BrokerUnavailableError: No broker answers, or not in time.
        ConfigurationError: The cluster refuses a topic; the message has the name and the reason.
    """
    new_topics = [
        NewTopic(
            name=prefix + topic.name,
            num_partitions=partitions,
            replication_factor=replication,
            topic_configs=dict(topic.config(retention_ms=retention_ms.get(topic.name))),
        )
        for topic in TOPICS
    ]
    async with _admin(kafka) as admin:
        answer = await admin.create_topics(new_topics, timeout_ms=int(_CREATED_S * 1000))
        created = []
        for name, code, *message in answer.topic_errors:
            if code == 0:
                created.append(name)
            elif code != _ALREADY_EXISTS:
                reason = next(filter(None, message), None) or for_code(code).__name__
                raise ConfigurationError(f"{kafka} refuses to create topic {name!r}: {reason}")
        on_progress("waiting for leaders", 0, None)
        names = {prefix + topic.name for topic in TOPICS}
        await _await_leaders(admin, kafka, names, on_progress)
        return created


async def describe_topics(kafka: KafkaConnection, *, prefix: str = "") -> list[TopicState]:
    """Return the state of those of gnomon's topics that exist, in the order of ``TOPICS``.

    Raises:
        BrokerUnavailableError: No broker answers.
    """
    async with _admin(kafka) as admin:
        # Describe all topics: describing a missing one by name might create it.
        existing = {entry["topic"]: entry for entry in await admin.describe_topics()}
        names = [name for topic in TOPICS if (name := prefix + topic.name) in existing]
        configs = await _configs(admin, names)
    return [
        TopicState(
            name=name,
            partitions=len(existing[name]["partitions"]),
            replication=min(
                (len(part["replicas"]) for part in existing[name]["partitions"]), default=0
            ),
            config=configs[name],
        )
        for name in names
    ]


async def check_topics(
    kafka: KafkaConnection,
    *,
    prefix: str = "",
    partitions: int = DEFAULT_PARTITIONS,
    replication: int = 1,
    retention_ms: Mapping[str, int] = AS_IN_CONTRACT,
) -> list[Difference]:
    """Return every difference of the cluster's topics from those that ``create_topics`` makes.

    Raises:
        BrokerUnavailableError: No broker answers.
    """
    states = await describe_topics(kafka, prefix=prefix)
    return compare(
        states,
        prefix=prefix,
        partitions=partitions,
        replication=replication,
        retention_ms=retention_ms,
    )


@asynccontextmanager
async def _admin(kafka: KafkaConnection) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = aiokafka_clients.admin(kafka, request_timeout_ms=int(_CREATED_S * 1000))
    try:
        async with asyncio.timeout(_CONNECT_S):
            try:
                await admin.start()
            except ValueError as error:
                raise ConfigurationError(f"brokers must be host:port,…, got {kafka}") from error
        yield admin
    except (KafkaError, TimeoutError, OSError) as error:
        raise await broker_error(kafka, error) from error
    finally:
        await admin.close()


async def _configs(admin: AIOKafkaAdminClient, names: Sequence[str]) -> dict[str, dict[str, str]]:
    if not names:
        return {}
    resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
    (answer,) = await admin.describe_configs(resources)
    return {
        name: {entry[0]: entry[1] for entry in entries}
        for _code, _message, _kind, name, entries in answer.resources
    }


async def _await_leaders(
    admin: AIOKafkaAdminClient,
    kafka: KafkaConnection,
    names: set[str],
    on_progress: ProgressCallback,
) -> None:
    """Wait until each partition has a leader that serves; until then the topic refuses records.

    A broker can be listed as leader a moment before it serves. aiokafka repeats a request for an offset
    until a leader answers.
    """
    async with asyncio.timeout(_CREATED_S):
        while True:
            partitions = [
                TopicPartition(entry["topic"], part["partition"])
                for entry in await admin.describe_topics()
                if entry["topic"] in names and all(p["leader"] >= 0 for p in entry["partitions"])
                for part in entry["partitions"]
            ]
            led = {partition.topic for partition in partitions}
            on_progress("waiting for leaders", len(led), len(names))
            if led == names:
                break
            await asyncio.sleep(_POLL_S)
        ask_again_ms = aiokafka_clients.ASK_AGAIN_MS
        async with aiokafka_clients.consumer(kafka, retry_backoff_ms=ask_again_ms) as consumer:
            await consumer.end_offsets(partitions)
