"""librdkafka's admin client: what tests do to topics, and an oracle for what gnomon reads of them."""

import uuid
from concurrent.futures import Future
from typing import Any

from confluent_kafka import KafkaError, KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewPartitions, NewTopic
from tests.support.polling import eventually_sync

from gnomon.runtime.kafka.topic_facts import TopicFacts


class Admin:
    """librdkafka's admin client, each call done when it returns."""

    def __init__(self, brokers: str) -> None:
        self.client = AdminClient({"bootstrap.servers": brokers})

    def create(self, topic: str, partitions: int) -> None:
        _done(self.client.create_topics([NewTopic(topic, partitions, 1)]))

    def delete(self, topic: str) -> None:
        _done(self.client.delete_topics([topic], operation_timeout=10))

    def make_again(self, topic: str, partitions: int) -> None:
        """Delete a topic, and create another one of that name."""
        self.delete(topic)
        eventually_sync(lambda: self._created(topic, partitions), what="the name is free")

    def _created(self, topic: str, partitions: int) -> bool:
        try:
            self.create(topic, partitions)
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise
            return False
        return True

    def grow(self, topic: str, partitions: int) -> None:
        _done(self.client.create_partitions([NewPartitions(topic, partitions)]))

    def delete_records(self, topic: str, partition: int, before: int) -> None:
        """Do what retention does: remove the records of a partition below an offset."""
        _done(self.client.delete_records([TopicPartition(topic, partition, before)]))

    def facts(self, topic: str) -> TopicFacts:
        cluster = self.client.describe_cluster().result(10).cluster_id
        found = self.client.describe_topics(TopicCollection([topic]))[topic].result(10)
        high = found.topic_id.get_most_significant_bits() % 2**64
        low = found.topic_id.get_least_significant_bits() % 2**64
        return TopicFacts(f"{cluster}/{uuid.UUID(int=high << 64 | low).hex}", len(found.partitions))


def _done(futures: dict[Any, "Future[Any]"]) -> None:
    for future in futures.values():
        future.result(20)
