"""Requests about offsets of a consumer group that aiokafka does not define (KIP-447).

TxnOffsetCommit carries the member and its generation, so that the group coordinator refuses a worker
that no longer owns its partitions. OffsetFetch can require that no transaction with offsets is pending.
Kafka supports both since 2.5.

Layouts: https://kafka.apache.org/protocol.html, in the versions that each class names.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, Final

from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import (
    Boolean,
    CompactArray,
    Int16,
    Int32,
    Int64,
    Schema,
)
from aiokafka.structs import TopicPartition

from gnomon.runtime.kafka.transactions.group import GroupMember
from gnomon.runtime.kafka.transactions.requests import NO_TAGS, TAGS, TEXT

OLDEST_KAFKA: Final = "2.5"
NEEDED_VERSIONS: Final = {9: 7, 28: 3}
"""The version that a broker must support, by number of the request: OffsetFetch, TxnOffsetCommit."""
UNSTABLE_OFFSET_COMMIT: Final = 88
"""Error code: a transaction that has not ended contains an offset of the partition."""

_UNSET: Final = -1
"""No leader epoch is sent."""


class CommitResponseV3(Response):  # type: ignore[misc]  # untyped
    """TxnOffsetCommit, version 3."""

    API_KEY = 28
    API_VERSION = 3
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "errors",
            CompactArray(
                ("topic", TEXT),
                ("partitions", CompactArray(("partition", Int32), ("error_code", Int16), TAGS)),
                TAGS,
            ),
        ),
        TAGS,
    )


class CommitResponseV5(CommitResponseV3):
    """TxnOffsetCommit, version 5."""

    API_VERSION = 5


class _CommitStructV3(RequestStruct):  # type: ignore[misc]  # untyped
    FLEXIBLE_VERSION = True
    API_KEY = 28
    API_VERSION = 3
    RESPONSE_TYPE = CommitResponseV3
    SCHEMA = Schema(
        ("transactional_id", TEXT),
        ("group_id", TEXT),
        ("producer_id", Int64),
        ("producer_epoch", Int16),
        ("generation_id", Int32),
        ("member_id", TEXT),
        ("group_instance_id", TEXT),
        (
            "topics",
            CompactArray(
                ("topic", TEXT),
                (
                    "partitions",
                    CompactArray(
                        ("partition", Int32),
                        ("offset", Int64),
                        ("leader_epoch", Int32),
                        ("metadata", TEXT),
                        TAGS,
                    ),
                ),
                TAGS,
            ),
        ),
        TAGS,
    )


class _CommitStructV5(_CommitStructV3):
    API_VERSION = 5
    RESPONSE_TYPE = CommitResponseV5


class TxnOffsetCommitRequestV3(Request[_CommitStructV3]):  # type: ignore[misc]  # untyped
    """TxnOffsetCommit, version 3: commits offsets of a group in the transaction.

    Args:
        transactional_id: Of the transaction; also written as metadata of each offset, so that the next
            owner of a partition knows whose transaction may still be open.
        producer: Producer id and epoch.
        member: Who commits.
        offsets: Next offset to read of each partition.
    """

    API_KEY = 28

    def __init__(
        self,
        transactional_id: str,
        producer: tuple[int, int],
        member: GroupMember,
        offsets: Mapping[TopicPartition, int],
    ) -> None:
        self._head = (
            transactional_id,
            member.group,
            *producer,
            member.generation,
            member.member_id,
            member.instance_id,
        )
        self._topics = [
            (
                topic,
                [
                    (p, offsets[TopicPartition(topic, p)], _UNSET, transactional_id, NO_TAGS)
                    for p in ps
                ],
                NO_TAGS,
            )
            for topic, ps in _by_topic(offsets).items()
        ]

    def build(self, request_struct_class: type[_CommitStructV3]) -> _CommitStructV3:
        """Return the request."""
        return request_struct_class(*self._head, self._topics, NO_TAGS)


class TxnOffsetCommitRequestV5(Request[_CommitStructV5]):  # type: ignore[misc]  # untyped
    """TxnOffsetCommit, version 5: also adds the group to the transaction (KIP-890).

    Args: as of ``TxnOffsetCommitRequestV3``.
    """

    API_KEY = 28
    __init__ = TxnOffsetCommitRequestV3.__init__  # aiokafka allows a request no other base class
    build = TxnOffsetCommitRequestV3.build


class OffsetsResponse(Response):  # type: ignore[misc]  # untyped
    """OffsetFetch, version 7."""

    API_KEY = 9
    API_VERSION = 7
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "topics",
            CompactArray(
                ("topic", TEXT),
                (
                    "partitions",
                    CompactArray(
                        ("partition", Int32),
                        ("offset", Int64),
                        ("leader_epoch", Int32),
                        ("metadata", TEXT),
                        ("error_code", Int16),
                        TAGS,
                    ),
                ),
                TAGS,
            ),
        ),
        ("error_code", Int16),
        TAGS,
    )


class _OffsetsStruct(RequestStruct):  # type: ignore[misc]  # untyped
    FLEXIBLE_VERSION = True
    API_KEY = 9
    API_VERSION = 7
    RESPONSE_TYPE = OffsetsResponse
    SCHEMA = Schema(
        ("group_id", TEXT),
        (
            "topics",
            CompactArray(("topic", TEXT), ("partitions", CompactArray(Int32)), TAGS),
        ),
        ("require_stable", Boolean),
        TAGS,
    )


class OffsetFetchRequestV7(Request[_OffsetsStruct]):  # type: ignore[misc]  # untyped
    """OffsetFetch, version 7.

    Args:
        group: Consumer group.
        tps: Partitions to ask for.
        require_stable: Refuse (``UNSTABLE_OFFSET_COMMIT``) while a transaction with offsets is pending.
    """

    API_KEY = 9

    def __init__(self, group: str, tps: Iterable[TopicPartition], *, require_stable: bool) -> None:
        topics = [(topic, ps, NO_TAGS) for topic, ps in _by_topic(tps).items()]
        self._fields: tuple[Any, ...] = (group, topics, require_stable, NO_TAGS)

    def build(self, request_struct_class: type[_OffsetsStruct]) -> _OffsetsStruct:
        """Return the request."""
        return request_struct_class(*self._fields)


def _by_topic(tps: Iterable[TopicPartition]) -> Mapping[str, list[int]]:
    topics: defaultdict[str, list[int]] = defaultdict(list)
    for tp in tps:
        topics[tp.topic].append(tp.partition)
    return topics
