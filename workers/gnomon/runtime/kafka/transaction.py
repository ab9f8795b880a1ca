"""Kafka transactions of whole record batches, in as few round trips as there can be.

KIP-98 gives the order:

1. AddPartitionsToTxn and AddOffsetsToTxn, at once, to the coordinator of the transaction; where a
   cluster has agreed on the second protocol (``dialects``), neither;
2. Produce, to the partitions' leaders;
3. TxnOffsetCommit, to the coordinator of the group. Not at once with 2: a broker that verifies that
   a partition belongs to the transaction (KIP-890) refuses the one for the other's sake;
4. EndTxn, once all of that is known to be stored.

Of aiokafka this uses the client: connections, metadata, coordinators, the coding of requests.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Final

from aiokafka import errors as kafka
from aiokafka.client import AIOKafkaClient, ConnectionGroup, CoordinationType
from aiokafka.errors import KafkaError
from aiokafka.protocol.transaction import InitProducerIdRequest
from aiokafka.structs import TopicPartition

from gnomon.runtime.kafka.produce_requests import SEQUENCES, RecordBatch
from gnomon.runtime.kafka.txn_requests import ApiVersionsRequestV3
from gnomon.runtime.kafka.txn_versions import (
    FEATURE,
    REQUEST_TIMEOUT_MS,
    TRANSACTIONS_V2,
    ProducerIdentity,
    TransactionProtocol,
    TransactionV1,
    TransactionV2,
)

TRANSACTION_TIMEOUT_MS: Final = 30_000
GIVE_UP_S: Final = 25.0
"""So long the same is asked again; a little later Kafka aborts the transaction anyway."""
SOON_S: Final = 0.003
"""When to ask again, the first time, where the transaction before is still being completed."""
BACKOFF_S: Final = 0.05
REMEMBERED: Final = 5
"""The last batches of a producer that Kafka knows when they come again."""
SETTLE_S: Final = 1.0
"""How long what is on its way is waited for by who is cancelled: nothing may come after the abort."""

_PASSING = (
    kafka.ConcurrentTransactions,
    kafka.OperationNotAttempted,
    kafka.KafkaConnectionError,
)
"""What passes, beside the errors that aiokafka calls retriable."""

Codes = Iterable[int]
Ask = Callable[[], Awaitable[Codes]]
Batches = Mapping[TopicPartition, Sequence[RecordBatch]]


class TransactionalProducer:
    """One transactional id. For one task at a time; after an error it can only be stopped.

    Args:
        brokers: ``host:port`` of some, separated by commas.
        transactional_id: Whoever starts with it fences all that started with it before.
    """

    def __init__(self, brokers: str, transactional_id: str) -> None:
        self._id = transactional_id
        self._client = AIOKafkaClient(
            bootstrap_servers=brokers,
            client_id=transactional_id,
            request_timeout_ms=REQUEST_TIMEOUT_MS,
        )
        self._protocol: TransactionProtocol = TransactionV1()
        self._owner = ProducerIdentity(transactional_id, -1, -1)
        self._sequences: dict[TopicPartition, int] = {}
        self._coordinators: dict[int, int] = {}

    async def start(self) -> None:
        """Abort or complete what the last owner of the id left open, and fence that owner.

        Raises:
            KafkaError: No broker answers, or none lets this be.
        """
        await self._client.bootstrap()
        await self._until_done(self._choose_dialect)
        await self._until_done(self._init)

    async def stop(self) -> None:
        """Close the connections; a transaction that is open is left to the next owner."""
        await self._client.close()

    async def partitions_of(self, topic: str) -> Sequence[int]:
        """The partitions of ``topic``, ascending.

        Raises:
            KafkaError: The brokers do not know it.
        """
        cluster = self._client.cluster
        if not cluster.partitions_for_topic(topic):
            await self._client.add_topic(topic)
            await self._until_done(partial(self._look_for, topic))
        return sorted(cluster.partitions_for_topic(topic))

    async def write(
        self, batches: Batches, offsets: Mapping[TopicPartition, int], *, group: str
    ) -> None:
        """Write all ``batches`` and commit ``offsets`` of ``group``, or none of both.

        Args:
            batches: By partition, in their order; none is empty.
            offsets: Next offset to read of each partition.
            group: Consumer group.

        Raises:
            ProducerFenced: Another has started with the same id.
            KafkaError: It could not be done.
        """
        if not batches and not offsets:
            return
        for topic in {tp.topic for tp in batches}:
            await self.partitions_of(topic)
        owner, dialect = self._owner, self._protocol
        opening = dialect.opening(owner, list(batches), group if offsets else None)
        try:
            if opening:
                await _all([self._until_done(partial(self._ask, request)) for request in opening])
            if batches:
                await _all([self._store(batches)])
            if offsets:
                request = dialect.commit(owner, offsets, group)
                await self._until_done(partial(self._ask, request, of_group=group))
        except kafka.ProducerFenced:
            raise  # there is nothing left to abort: the new owner has done it
        except BaseException:
            await asyncio.shield(self._abort())
            raise
        await self._until_done(partial(self._end, commit=True))

    async def _abort(self) -> None:
        try:
            await self._end(commit=False)
        except KafkaError:
            return  # the next owner's InitProducerId aborts it

    async def _until_done(self, ask: Ask) -> None:
        """Ask again and again while what is in the way passes.

        Raises:
            KafkaError: It does not pass, or has not in ``GIVE_UP_S``.
        """
        clock_s = asyncio.get_running_loop().time
        until_s, wait_s = clock_s() + GIVE_UP_S, SOON_S
        while True:
            try:
                codes = [code for code in await ask() if code]
                errors: list[KafkaError] = [kafka.for_code(code)() for code in codes]
            except KafkaError as error:
                errors = [error]
            errors = [e for e in errors if not isinstance(e, kafka.DuplicateSequenceNumber)]
            if not errors:
                return
            for each in errors:
                if isinstance(each, kafka.InvalidProducerEpoch):
                    raise kafka.ProducerFenced from each
                if not (each.retriable or isinstance(each, _PASSING)):
                    raise each
            if clock_s() >= until_s:
                raise errors[0]
            if not all(isinstance(error, kafka.ConcurrentTransactions) for error in errors):
                wait_s = BACKOFF_S
                self._coordinators.clear()
                await self._client.force_metadata_update()
            await asyncio.sleep(wait_s)
            wait_s = min(wait_s * 2, BACKOFF_S)

    # What is asked; each answers with the error codes of Kafka, 0 for none.

    async def _choose_dialect(self) -> Codes:
        node = self._client.get_random_node()
        if node is None:
            return [kafka.CoordinatorNotAvailableError.errno]
        try:
            answer = await self._client.send(node, ApiVersionsRequestV3())
        except NotImplementedError:  # so aiokafka says that the broker knows no such request
            return []
        brokers_add = answer.finalized.get(FEATURE, 0) >= TRANSACTIONS_V2
        self._protocol = TransactionV2() if brokers_add else TransactionV1()
        return [answer.error_code]

    async def _init(self) -> Codes:
        answer = await self._coordinator(
            InitProducerIdRequest(
                transactional_id=self._id, transaction_timeout_ms=TRANSACTION_TIMEOUT_MS
            )
        )
        self._owner = ProducerIdentity(self._id, answer.producer_id, answer.producer_epoch)
        self._sequences.clear()
        return [answer.error_code]

    async def _look_for(self, topic: str) -> Codes:
        known = self._client.cluster.partitions_for_topic(topic)
        return [] if known else [kafka.UnknownTopicOrPartitionError.errno]

    async def _ask(self, request: Any, *, of_group: str | None = None) -> Codes:
        return _codes(await self._coordinator(request, of_group=of_group))

    async def _end(self, *, commit: bool) -> Codes:
        ended = await self._coordinator(self._protocol.end(self._owner, commit=commit))
        owner = self._owner if ended.error_code else self._protocol.next_owner(self._owner, ended)
        if owner != self._owner:
            self._owner = owner
            self._sequences.clear()
        return [ended.error_code]

    async def _store(self, batches: Batches) -> None:
        """Send the first batch of each partition, and when it is stored those after it.

        A partition that knows the producer takes nothing out of order, so of those after the first
        as many are sent at once as it remembers.
        """
        turns = [self._turn(batches, at) for at in range(max(map(len, batches.values())))]
        await self._until_done(partial(self._produce, turns[0]))
        for start in range(1, len(turns), REMEMBERED):
            sent = turns[start : start + REMEMBERED]
            answers = await asyncio.gather(*map(self._produce, sent), return_exceptions=True)
            for due, answer in zip(sent, answers, strict=True):
                if isinstance(answer, BaseException) and not isinstance(answer, KafkaError):
                    raise answer
                if isinstance(answer, KafkaError) or any(answer):
                    await self._until_done(partial(self._produce, due))

    def _turn(self, batches: Batches, at: int) -> Mapping[TopicPartition, bytearray]:
        """The batches at ``at``, built: numbered on from those before."""
        due: dict[TopicPartition, bytearray] = {}
        for tp, those in batches.items():
            if at < len(those):
                sequence = self._sequences.get(tp, 0)
                self._sequences[tp] = (sequence + those[at].count) % SEQUENCES
                due[tp] = those[at].build(*self._owner[1:], sequence)
        return due

    async def _produce(self, due: Mapping[TopicPartition, bytearray]) -> Codes:
        nodes: defaultdict[int, dict[TopicPartition, bytearray]] = defaultdict(dict)
        for tp, batch in due.items():
            leader = self._client.cluster.leader_for_partition(tp)
            if leader is None or leader < 0:
                return [kafka.LeaderNotAvailableError.errno]
            nodes[leader][tp] = batch
        asked = [
            self._client.send(node, self._protocol.produce(self._owner, those))
            for node, those in nodes.items()
        ]
        return [code for answer in await asyncio.gather(*asked) for code in _codes(answer)]

    async def _coordinator(self, request: Any, *, of_group: str | None = None) -> Any:
        """Ask the coordinator of the transaction, or of a group."""
        kind = CoordinationType.TRANSACTION if of_group is None else CoordinationType.GROUP
        node = self._coordinators.get(kind)
        if node is None:
            node = await self._client.coordinator_lookup(kind, of_group or self._id)
            self._coordinators[kind] = node
        return await self._client.send(node, request, group=ConnectionGroup.COORDINATION)


def _codes(answer: Any) -> Codes:
    """The error codes in an answer: its own, or that of each partition."""
    if hasattr(answer, "error_code"):
        return [answer.error_code]
    topics = answer.topics if hasattr(answer, "topics") else answer.errors
    return [partition[1] for topic in topics for partition in topic[1]]


async def _all(work: Sequence[Coroutine[Any, Any, None]]) -> None:
    """Do all of it at once. What fails is raised when all has ended, being fenced before others."""
    tasks = [asyncio.ensure_future(each) for each in work]
    try:
        await asyncio.wait(tasks)
    except asyncio.CancelledError:
        await asyncio.wait(tasks, timeout=SETTLE_S)
        for task in tasks:
            task.cancel()
        raise
    errors = [error for task in tasks if (error := task.exception()) is not None]
    errors.sort(key=lambda error: not isinstance(error, kafka.ProducerFenced))
    if errors:
        raise errors[0]
