"""Ids and partitions of topics are those that librdkafka's admin client reads."""

import pytest
from aiokafka.client import AIOKafkaClient
from tests.conftest import Kafka
from tests.support.kafka.admin import Admin
from tests.support.polling import eventually

from gnomon.runtime.kafka.topic_facts import TopicFacts, ask_topics

pytestmark = pytest.mark.kafka


async def test_a_topic_made_again_is_another_log_and_a_grown_one_the_same(
    kafka: Kafka, prefix: str
) -> None:
    admin, topic = Admin(kafka.brokers), f"{prefix}t"
    client = AIOKafkaClient(bootstrap_servers=kafka.brokers)
    await client.bootstrap()

    async def facts() -> TopicFacts | None:
        return (await ask_topics(client, [topic])).get(topic)

    async def has(partitions: int) -> bool:
        found = await facts()
        return found is not None and found.partitions == partitions

    async def gone() -> bool:
        return await facts() is None

    try:
        assert await facts() is None
        admin.create(topic, 2)
        await eventually(lambda: has(2), what="the topic is known")
        first = await facts()
        assert first == admin.facts(topic)

        admin.grow(topic, 3)
        await eventually(lambda: has(3), what="it has grown")
        assert first is not None
        assert await facts() == admin.facts(topic) == (first.log, 3)

        admin.delete(topic)
        await eventually(gone, what="it is deleted")
        admin.create(topic, 3)
        await eventually(lambda: has(3), what="it is made again")
        second = await facts()
        assert second == admin.facts(topic)
        assert second is not None
        assert second.log != first.log
    finally:
        await client.close()
