"""Reads committed offsets of a group, and ends transactions that dead workers have left open."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from aiokafka.protocol.transaction import InitProducerIdRequest
from aiokafka.structs import TopicPartition

from gnomon.runtime.kafka.transactions.coordinators import Coordinators
from gnomon.runtime.kafka.transactions.offset_requests import OffsetFetchRequestV7
from gnomon.runtime.kafka.transactions.retries import ErrorCodes

STABLE_WITHIN_S: Final = 60.0
"""How long pending offsets are waited for: longer than the transaction timeout and the interval in
which brokers look for timeouts."""
TRANSACTION_TIMEOUT_MS: Final = 30_000


class GroupOffset(NamedTuple):
    """A committed offset, -1 if there is none, and the text that was committed with it."""

    offset: int
    metadata: str


async def read_group_offsets(
    coordinators: Coordinators, group: str, tps: Sequence[TopicPartition], *, require_stable: bool
) -> Mapping[TopicPartition, GroupOffset]:
    """Return the committed offsets of ``tps``.

    Args:
        coordinators: Where to ask.
        group: Consumer group.
        tps: Partitions.
        require_stable: Wait until no transaction that has not ended contains one of the offsets.

    Raises:
        KafkaError: The brokers did not answer, or a transaction did not end in ``STABLE_WITHIN_S``.
    """
    found: dict[TopicPartition, GroupOffset] = {}

    async def fetch() -> ErrorCodes:
        response: Any = await coordinators.send_to_group(
            group, OffsetFetchRequestV7(group, tps, require_stable=require_stable)
        )
        codes = [response.error_code]
        for topic, partitions, _ in response.topics:
            for partition, offset, _, metadata, code, _ in partitions:
                found[TopicPartition(topic, partition)] = GroupOffset(offset, metadata or "")
                codes.append(code)
        return codes

    await coordinators.retry(fetch, within_s=STABLE_WITHIN_S)
    return found


async def init_producer(coordinators: Coordinators, transactional_id: str) -> tuple[int, int]:
    """End what the id has left open, and fence its last producer.

    A transaction whose end was requested is completed, another is aborted.

    Returns:
        The producer id and epoch of the id from now on.

    Raises:
        KafkaError: The brokers did not answer, or they refuse.
    """
    found: list[tuple[int, int]] = []

    async def init() -> ErrorCodes:
        response: Any = await coordinators.send_to_transaction(
            transactional_id,
            InitProducerIdRequest(
                transactional_id=transactional_id, transaction_timeout_ms=TRANSACTION_TIMEOUT_MS
            ),
        )
        found.append((response.producer_id, response.producer_epoch))
        return [response.error_code]

    await coordinators.retry(init)
    return found[-1]
