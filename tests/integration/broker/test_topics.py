"""Tests of topics on a real cluster: created, described, compared."""

import time

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from tests.conftest import Kafka

from gnomon.connection import KafkaConnection
from gnomon.errors import BrokerUnavailableError, ConfigurationError
from gnomon.operations.topics_admin import check_topics, create_topics, describe_topics

pytestmark = pytest.mark.kafka

NAMES = {
    "task-events",
    "task-features",
    "agent-features",
    "shadow-predictions",
    "comparisons",
    "comparison-metrics",
    "decisions",
    "audit",
    "dead-letters",
    "control",
    "model-switches",
    "client-stats",
    "exposures",
    "interval-corrections",
    "verdict-evidence",
    "vault-roots",
}


async def test_topics_are_created_once_and_are_as_the_contract_says(
    kafka: Kafka, prefix: str
) -> None:
    created = await create_topics(kafka.connection, prefix=prefix, partitions=3, replication=1)
    again = await create_topics(kafka.connection, prefix=prefix, partitions=3, replication=1)

    assert set(created) == {prefix + name for name in NAMES}
    assert again == []
    assert await check_topics(kafka.connection, prefix=prefix, partitions=3, replication=1) == []
    states = {state.name: state for state in await describe_topics(kafka.connection, prefix=prefix)}
    assert {state.partitions for state in states.values()} == {3}
    assert states[f"{prefix}agent-features"].config["cleanup.policy"] == "compact"
    assert states[f"{prefix}task-events"].config["message.timestamp.type"] == "LogAppendTime"
    assert states[f"{prefix}dead-letters"].config["retention.ms"] == "1209600000"


async def test_records_go_in_and_come_out_at_once_after_creation(kafka: Kafka, topics: str) -> None:
    topic = f"{topics}task-events"

    async with AIOKafkaProducer(bootstrap_servers=kafka.brokers) as producer:
        for partition in range(4):
            await producer.send_and_wait(topic, b"%d" % partition, partition=partition)
    async with AIOKafkaConsumer(
        topic, bootstrap_servers=kafka.brokers, group_id=topics, auto_offset_reset="earliest"
    ) as consumer:
        values = {(await consumer.getone()).value for _ in range(4)}

    assert values == {b"0", b"1", b"2", b"3"}


async def test_each_difference_is_named_with_what_to_do(kafka: Kafka, prefix: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.brokers)
    await admin.start()
    wrong = NewTopic(f"{prefix}decisions", 2, 1, topic_configs={"cleanup.policy": "compact"})
    await admin.create_topics([wrong])
    await admin.close()
    await create_topics(kafka.connection, prefix=prefix, partitions=4, replication=1)

    differences = await check_topics(kafka.connection, prefix=prefix, partitions=4, replication=1)

    seen = {(d.topic, d.what, d.expected, d.found) for d in differences}
    name = f"{prefix}decisions"
    assert seen == {
        (name, "partitions", "4", "2"),
        (name, "cleanup.policy", "delete", "compact"),
        (name, "retention.ms", "31536000000", "604800000"),
        (name, "max.message.bytes", "1048588", "8388608"),
    }
    assert all(d.remedy for d in differences)


async def test_every_missing_topic_is_a_difference(kafka: Kafka, prefix: str) -> None:
    differences = await check_topics(kafka.connection, prefix=prefix, partitions=4, replication=1)

    assert {d.topic for d in differences} == {prefix + name for name in NAMES}
    assert {d.what for d in differences} == {"topic"}
    assert "gnomon topics create" in str(differences[0])


async def test_a_replication_the_cluster_cannot_give_is_refused_with_its_reason(
    kafka: Kafka, prefix: str
) -> None:
    with pytest.raises(ConfigurationError, match="replication factor"):
        await create_topics(kafka.connection, prefix=prefix, partitions=1, replication=99)


async def test_without_a_broker_the_message_says_how_to_start_one() -> None:
    began = time.monotonic()

    with pytest.raises(BrokerUnavailableError, match="gnomon broker"):
        await describe_topics(KafkaConnection("127.0.0.1:9"), prefix="")

    assert time.monotonic() - began < 6


async def test_brokers_that_are_no_address_are_a_mistake_in_the_settings() -> None:
    with pytest.raises(ConfigurationError, match="host:port"):
        await describe_topics(KafkaConnection("127.0.0.1:kafka"), prefix="")
