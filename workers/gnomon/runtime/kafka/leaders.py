"""Questions about logs that the leaders of partitions answer, sent with a consumer's connections."""

from collections.abc import Mapping, Sequence

from aiokafka import AIOKafkaConsumer
from aiokafka.structs import TopicPartition

from gnomon.runtime.kafka.topic_facts import TopicFacts, ask_topics


class Leaders:
    """Asks about topics; the consumer need not be assigned them.

    Every method raises ``KafkaError`` if the brokers do not answer.
    """

    def __init__(self, consumer: AIOKafkaConsumer) -> None:
        self._consumer = consumer

    async def beginnings(self, tps: Sequence[TopicPartition]) -> Mapping[TopicPartition, int]:
        """Return the offset at which the log of each partition begins."""
        found: Mapping[TopicPartition, int] = await self._consumer.beginning_offsets(list(tps))
        return found

    async def ends(self, tps: Sequence[TopicPartition]) -> Mapping[TopicPartition, int]:
        """Return the offset after the last record that this consumer may read, by partition."""
        found: Mapping[TopicPartition, int] = await self._consumer.end_offsets(list(tps))
        return found

    async def first_since(
        self, tps: Sequence[TopicPartition], at_ms: int
    ) -> Mapping[TopicPartition, int | None]:
        """Return the offset of the first record with a timestamp of ``at_ms`` or later, by partition."""
        found = await self._consumer.offsets_for_times(dict.fromkeys(tps, at_ms))
        return {tp: None if place is None else place.offset for tp, place in found.items()}

    async def topics(self, names: Sequence[str]) -> Mapping[str, TopicFacts]:
        """Return the facts of topics by name; a topic that does not exist is left out."""
        client = self._consumer._client  # noqa: SLF001  aiokafka has no public way
        return await ask_topics(client, names)
