"""Which log a topic is, and how many partitions it has, as a broker states it.

A name does not identify a log: a topic that was deleted and made again is another one with the same
name, the same partitions, and soon the same offsets. Kafka gives each topic an id when it is made
(KIP-516, in Metadata 10, Kafka 2.8), which aiokafka does not ask for.
"""

import uuid
from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import Any, Final, NamedTuple

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import (
    LeaderNotAvailableError,
    NodeNotReadyError,
    UnknownTopicOrPartitionError,
    for_code,
)
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.metadata import MetadataRequest
from aiokafka.protocol.types import (
    AbstractType,
    Boolean,
    CompactArray,
    Int16,
    Int32,
    Schema,
)

from gnomon.runtime.kafka.transactions.requests import TAGS, TEXT

_NO_ID: Final = uuid.UUID(int=0)


class TopicFacts(NamedTuple):
    """One topic.

    Attributes:
        log: Identifies the log: the ids of the cluster and of the topic. Empty if the brokers are too
            old to have ids of topics.
        partitions: How many it has.
    """

    log: str
    partitions: int


class _Uuid(AbstractType[uuid.UUID]):  # type: ignore[misc]  # untyped
    @classmethod
    def encode(cls, value: uuid.UUID) -> bytes:
        return value.bytes

    @classmethod
    def decode(cls, data: BytesIO) -> uuid.UUID:
        return uuid.UUID(bytes=data.read(16))


class _MetadataResponse(Response):  # type: ignore[misc]  # untyped
    """Metadata, version 10."""

    API_KEY = 3
    API_VERSION = 10
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "brokers",
            CompactArray(("node_id", Int32), ("host", TEXT), ("port", Int32), ("rack", TEXT), TAGS),
        ),
        ("cluster_id", TEXT),
        ("controller_id", Int32),
        (
            "topics",
            CompactArray(
                ("error_code", Int16),
                ("topic", TEXT),
                ("topic_id", _Uuid),
                ("is_internal", Boolean),
                (
                    "partitions",
                    CompactArray(
                        ("error_code", Int16),
                        ("partition", Int32),
                        ("leader", Int32),
                        ("leader_epoch", Int32),
                        ("replicas", CompactArray(Int32)),
                        ("isr", CompactArray(Int32)),
                        ("offline", CompactArray(Int32)),
                        TAGS,
                    ),
                ),
                ("authorized_operations", Int32),
                TAGS,
            ),
        ),
        ("authorized_operations", Int32),
        TAGS,
    )


class _MetadataStruct(RequestStruct):  # type: ignore[misc]  # untyped
    FLEXIBLE_VERSION = True
    API_KEY = 3
    API_VERSION = 10
    RESPONSE_TYPE = _MetadataResponse
    SCHEMA = Schema(
        ("topics", CompactArray(("topic_id", _Uuid), ("topic", TEXT), TAGS)),
        ("allow_auto_topic_creation", Boolean),
        ("include_cluster_authorized_operations", Boolean),
        ("include_topic_authorized_operations", Boolean),
        TAGS,
    )


class _MetadataRequest(Request[_MetadataStruct]):  # type: ignore[misc]  # untyped
    API_KEY = 3

    def __init__(self, topics: Sequence[str]) -> None:
        self._topics = topics

    def build(self, request_struct_class: type[_MetadataStruct]) -> _MetadataStruct:
        topics: list[Any] = [(_NO_ID, topic, {}) for topic in self._topics]
        return request_struct_class(topics, False, False, False, {})  # noqa: FBT003  Kafka's fields


async def ask_topics(client: AIOKafkaClient, topics: Sequence[str]) -> Mapping[str, TopicFacts]:
    """Return the facts of ``topics`` by name; a topic that does not exist is left out.

    Raises:
        KafkaError: No broker answers, or it does not know for now.
    """
    node = client.get_random_node()
    if node is None:
        raise NodeNotReadyError("no broker is known")
    try:
        answer = await client.send(node, _MetadataRequest(topics))
    except NotImplementedError:  # aiokafka's way to say that there is no such version
        return await _ask_without_ids(client, node, topics)
    found = {}
    for topic in answer.topics:
        code, name, topic_id, partitions = topic[0], topic[1], topic[2], topic[4]
        if _exists(code):
            found[name] = TopicFacts(f"{answer.cluster_id}/{topic_id.hex}", len(partitions))
    return found


async def _ask_without_ids(
    client: AIOKafkaClient, node: int, topics: Sequence[str]
) -> Mapping[str, TopicFacts]:
    answer: Any = await client.send(node, MetadataRequest(list(topics), False))  # noqa: FBT003
    return {
        name: TopicFacts("", len(partitions))
        for code, name, _, partitions in answer.topics
        if _exists(code)
    }


def _exists(code: int) -> bool:
    """Return whether an error code is that of a topic that exists; raise any but "unknown topic"."""
    if code in {0, LeaderNotAvailableError.errno}:
        return True
    if code == UnknownTopicOrPartitionError.errno:
        return False
    raise for_code(code)()
