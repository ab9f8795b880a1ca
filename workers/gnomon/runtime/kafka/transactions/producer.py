"""Kafka transactions of whole record batches, in as few round trips as the protocol allows.

KIP-98 gives the order of requests:

1. AddPartitionsToTxn and AddOffsetsToTxn, at once, to the transaction coordinator; not sent where
   the cluster uses the second transaction protocol (``versions``);
2. Produce, to the leaders of the partitions;
3. TxnOffsetCommit, to the group coordinator. It is not sent together with 2: a broker that verifies
   that a partition belongs to the transaction (KIP-890) refuses one of two concurrent requests;
4. EndTxn, once all of that is acknowledged.

aiokafka's client does connections, metadata, coordinator look-up and the encoding of requests.
"""

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final

from aiokafka import errors as kafka
from aiokafka.errors import KafkaError
from aiokafka.structs import TopicPartition

from gnomon.connection import KafkaConnection, aiokafka_clients
from gnomon.errors import ConfigurationError
from gnomon.runtime.kafka.transactions.coordinators import Coordinators
from gnomon.runtime.kafka.transactions.group import GroupMember
from gnomon.runtime.kafka.transactions.group_offsets import (
    GroupOffset,
    init_producer,
    read_group_offsets,
)
from gnomon.runtime.kafka.transactions.offset_requests import NEEDED_VERSIONS, OLDEST_KAFKA
from gnomon.runtime.kafka.transactions.produce_requests import SEQUENCES, RecordBatch
from gnomon.runtime.kafka.transactions.requests import ApiVersionsRequestV3
from gnomon.runtime.kafka.transactions.retries import ErrorCodes, SendRequest, error_codes, run_all
from gnomon.runtime.kafka.transactions.versions import (
    FEATURE,
    REQUEST_TIMEOUT_MS,
    TRANSACTIONS_V2,
    BuiltBatches,
    ProducerIdentity,
    TransactionProtocol,
    TransactionV1,
    TransactionV2,
)

MAX_IN_FLIGHT: Final = 5
"""How many of a producer's last batches a broker recognises when they are sent again."""
_TOO_OLD: Final = f"the brokers are too old: gnomon needs Kafka {OLDEST_KAFKA} or newer"

Batches = Mapping[TopicPartition, Sequence[RecordBatch]]


class TransactionalProducer:
    """The producer of one transactional id, for one task at a time.

    After an error from ``write`` it must be renewed before the next. The other methods need not wait
    for a transaction.

    Args:
        connection: The cluster.
        transactional_id: ``start`` fences every producer that started with the same id before.
    """

    def __init__(self, connection: KafkaConnection, transactional_id: str) -> None:
        self._id = transactional_id
        self._client = aiokafka_clients.client(
            connection, client_id=transactional_id, request_timeout_ms=REQUEST_TIMEOUT_MS
        )
        self._protocol: TransactionProtocol = TransactionV1()
        self._identity = ProducerIdentity(transactional_id, -1, -1)
        self._sequences: dict[TopicPartition, int] = {}
        self._partitions: dict[str, Sequence[int]] = {}
        self._client.cluster.add_listener(lambda _: self._partitions.clear())
        self._coordinators = Coordinators(self._client)

    async def start(self) -> None:
        """Abort or complete the transaction that the id's last producer left open, and fence it.

        Raises:
            ConfigurationError: The brokers are too old.
            KafkaError: No broker answers, or the brokers refuse.
        """
        await self._client.bootstrap()
        await self._coordinators.retry(self._choose_protocol)
        await self.renew()

    async def renew(self) -> None:
        """Abort the transaction that has failed, and begin with a new epoch.

        Raises:
            KafkaError: No broker answers, or the brokers refuse.
        """
        producer_id, epoch = await init_producer(self._coordinators, self._id)
        self._identity = ProducerIdentity(self._id, producer_id, epoch)
        self._sequences.clear()

    async def stop(self) -> None:
        """Close the connections; the next producer of the id ends a transaction left open."""
        await self._client.close()

    async def partitions_of(self, topic: str, at_least: int = 1) -> Sequence[int]:
        """Return the partition numbers of ``topic``, ascending.

        Args:
            topic: Full name.
            at_least: If fewer are known, the brokers are asked again: some may have been added.

        Raises:
            KafkaError: The brokers do not know the topic.
        """
        # Each write of each partition asks: to sort the numbers again would take the longer the more there are.
        known = self._partitions.get(topic, ())
        if known and len(known) >= at_least:
            return known
        cluster = self._client.cluster
        if not cluster.partitions_for_topic(topic):
            await self._client.add_topic(topic)
            await self._coordinators.retry(partial(self._check_known, topic))
        if len(cluster.partitions_for_topic(topic)) < at_least:
            await self._client.force_metadata_update()
        self._partitions[topic] = sorted(cluster.partitions_for_topic(topic))
        return self._partitions[topic]

    async def end_other(self, transactional_id: str) -> None:
        """Abort or complete the open transaction of another id, and fence its producer.

        Raises:
            KafkaError: No broker answers, or the brokers refuse.
        """
        await init_producer(self._coordinators, transactional_id)

    async def group_offsets(
        self, group: str, tps: Sequence[TopicPartition], *, require_stable: bool
    ) -> Mapping[TopicPartition, GroupOffset]:
        """Return committed offsets of ``group``; see ``read_group_offsets``."""
        return await read_group_offsets(
            self._coordinators, group, tps, require_stable=require_stable
        )

    async def write(
        self, batches: Batches, offsets: Mapping[TopicPartition, int], *, member: GroupMember
    ) -> None:
        """Write all ``batches`` and commit ``offsets`` as ``member``, or neither.

        Args:
            batches: By partition, in their order; none is empty.
            offsets: Next offset to read of each partition.
            member: Member of the consumer group, in the generation in which it owns the partitions.

        Raises:
            ProducerFenced: Another producer has started with the same id.
            IllegalGenerationError, UnknownMemberIdError: The partitions belong to another member.
            KafkaError: The transaction was not committed.
        """
        if not batches and not offsets:
            return
        for topic in {tp.topic for tp in batches}:
            await self.partitions_of(topic)
        identity, protocol = self._identity, self._protocol
        begin = protocol.begin(identity, list(batches), member.group if offsets else None)
        try:
            if begin:
                await run_all([self._retry(partial(self._send, request)) for request in begin])
            if batches:
                await run_all([self._produce_all(batches)])
            if offsets:
                request = protocol.commit(identity, offsets, member)
                await self._retry(partial(self._send, request, group=member.group))
        except kafka.ProducerFenced:
            raise  # nothing to abort: the new producer's start has aborted it
        except BaseException:
            await asyncio.shield(self._abort())
            raise
        await self._retry(partial(self._end, commit=True))

    async def _abort(self) -> None:
        try:
            await self._end(commit=False)
        except KafkaError:
            return  # ``renew`` aborts it

    async def _retry(self, send: SendRequest) -> None:
        await self._coordinators.retry(send)

    # Each of the methods below sends requests and returns Kafka's error codes, 0 for none.

    async def _choose_protocol(self) -> ErrorCodes:
        node = self._client.get_random_node()
        if node is None:
            return [kafka.CoordinatorNotAvailableError.errno]
        try:
            response = await self._client.send(node, ApiVersionsRequestV3())
        except NotImplementedError as error:  # aiokafka's way to say that there is no such version
            raise ConfigurationError(_TOO_OLD) from error
        if not response.error_code and not response.supports(NEEDED_VERSIONS):
            raise ConfigurationError(_TOO_OLD)
        version = response.finalized_features.get(FEATURE, 0)
        self._protocol = TransactionV2() if version >= TRANSACTIONS_V2 else TransactionV1()
        return [response.error_code]

    async def _check_known(self, topic: str) -> ErrorCodes:
        known = self._client.cluster.partitions_for_topic(topic)
        return [] if known else [kafka.UnknownTopicOrPartitionError.errno]

    async def _send(self, request: Any, *, group: str | None = None) -> ErrorCodes:
        if group is None:
            return error_codes(await self._coordinators.send_to_transaction(self._id, request))
        return error_codes(await self._coordinators.send_to_group(group, request))

    async def _end(self, *, commit: bool) -> ErrorCodes:
        identity = self._identity
        response = await self._coordinators.send_to_transaction(
            self._id, self._protocol.end(identity, commit=commit)
        )
        if not response.error_code:
            self._identity = self._protocol.next_identity(identity, response)
        if self._identity != identity:
            self._sequences.clear()
        return [response.error_code]

    async def _produce_all(self, batches: Batches) -> None:
        """Send the first batch of each partition, and those after it once the first is stored.

        A partition that does not know the producer yet accepts batches in any order, so the first
        goes alone. Of the later ones as many are in flight as the broker recognises when repeated.
        """
        rounds = [self._build_round(batches, at) for at in range(max(map(len, batches.values())))]
        await self._retry(partial(self._produce, rounds[0]))
        for start in range(1, len(rounds), MAX_IN_FLIGHT):
            sent = rounds[start : start + MAX_IN_FLIGHT]
            answers = await asyncio.gather(*map(self._produce, sent), return_exceptions=True)
            for built, answer in zip(sent, answers, strict=True):
                if isinstance(answer, BaseException) and not isinstance(answer, KafkaError):
                    raise answer
                if isinstance(answer, KafkaError) or any(answer):
                    await self._retry(partial(self._produce, built))

    def _build_round(self, batches: Batches, at: int) -> BuiltBatches:
        """Build the batch at index ``at`` of each partition, with its sequence number."""
        built: dict[TopicPartition, bytearray] = {}
        for tp, of_partition in batches.items():
            if at < len(of_partition):
                batch, sequence = of_partition[at], self._sequences.get(tp, 0)
                self._sequences[tp] = (sequence + batch.count) % SEQUENCES
                built[tp] = batch.build(self._identity.producer_id, self._identity.epoch, sequence)
        return built

    async def _produce(self, built: BuiltBatches) -> ErrorCodes:
        by_leader: defaultdict[int, dict[TopicPartition, bytearray]] = defaultdict(dict)
        for tp, batch in built.items():
            leader = self._client.cluster.leader_for_partition(tp)
            if leader is None or leader < 0:
                return [kafka.LeaderNotAvailableError.errno]
            by_leader[leader][tp] = batch
        responses = await asyncio.gather(
            *(
                self._client.send(leader, self._protocol.produce(self._identity, of_leader))
                for leader, of_leader in by_leader.items()
            )
        )
        return [code for response in responses for code in error_codes(response)]
