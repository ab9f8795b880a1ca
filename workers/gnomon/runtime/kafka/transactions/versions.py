"""Kafka's two transaction protocols: which requests each sends, and their contents.

All brokers support the first (KIP-98); clusters that have finalized ``transaction.version`` 2 support
the second (KIP-890, part 2), which saves two requests and one round trip.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple, Protocol

from aiokafka.protocol.transaction import (
    AddOffsetsToTxnRequest,
    AddPartitionsToTxnRequest,
    EndTxnRequest,
)
from aiokafka.structs import TopicPartition

from gnomon.runtime.kafka.transactions.group import GroupMember
from gnomon.runtime.kafka.transactions.offset_requests import (
    TxnOffsetCommitRequestV3,
    TxnOffsetCommitRequestV5,
)
from gnomon.runtime.kafka.transactions.produce_requests import ProduceRequestV7, ProduceRequestV12
from gnomon.runtime.kafka.transactions.requests import EndTxnRequestV5

REQUEST_TIMEOUT_MS: Final = 20_000
FEATURE: Final = "transaction.version"
TRANSACTIONS_V2: Final = 2
"""Version of the feature from which brokers add partitions and groups to a transaction themselves."""

BuiltBatches = Mapping[TopicPartition, bytearray]
"""Encoded record batches by partition."""
Offsets = Mapping[TopicPartition, int]
"""Next offset to read by partition."""


class ProducerIdentity(NamedTuple):
    """What fences: it changes with each start and, in the second protocol, with each transaction."""

    transactional_id: str
    producer_id: int
    epoch: int


class TransactionProtocol(Protocol):
    """Builds the requests of one protocol."""

    def begin(
        self, producer: ProducerIdentity, tps: Sequence[TopicPartition], group: str | None
    ) -> Sequence[Any]:
        """Build the requests that go to the transaction coordinator first, at once."""
        ...

    def produce(self, producer: ProducerIdentity, batches: BuiltBatches) -> Any:
        """Build the request for the leader of these partitions."""
        ...

    def commit(self, producer: ProducerIdentity, offsets: Offsets, member: GroupMember) -> Any:
        """Build the request for the group coordinator."""
        ...

    def end(self, producer: ProducerIdentity, *, commit: bool) -> Any:
        """Build the last request, for the transaction coordinator."""
        ...

    def next_identity(self, producer: ProducerIdentity, ended: Any) -> ProducerIdentity:
        """Return the identity for the next transaction, from the response to ``end``."""
        ...


class TransactionV1:
    """Partitions and groups are added to a transaction by requests of their own."""

    def begin(
        self, producer: ProducerIdentity, tps: Sequence[TopicPartition], group: str | None
    ) -> Sequence[Any]:
        """AddPartitionsToTxn and AddOffsetsToTxn."""
        topics: defaultdict[str, list[int]] = defaultdict(list)
        for tp in tps:
            topics[tp.topic].append(tp.partition)
        adding = [AddPartitionsToTxnRequest(*producer, list(topics.items()))] if tps else []
        return adding if group is None else [*adding, AddOffsetsToTxnRequest(*producer, group)]

    def produce(self, producer: ProducerIdentity, batches: BuiltBatches) -> Any:
        """Produce 7."""
        return ProduceRequestV7(producer.transactional_id, REQUEST_TIMEOUT_MS, batches)

    def commit(self, producer: ProducerIdentity, offsets: Offsets, member: GroupMember) -> Any:
        """TxnOffsetCommit 3."""
        name, *id_and_epoch = producer
        return TxnOffsetCommitRequestV3(name, (id_and_epoch[0], id_and_epoch[1]), member, offsets)

    def end(self, producer: ProducerIdentity, *, commit: bool) -> Any:
        """EndTxn 0."""
        return EndTxnRequest(*producer, commit)

    def next_identity(self, producer: ProducerIdentity, ended: Any) -> ProducerIdentity:
        """The same identity."""
        return producer


class TransactionV2:
    """Brokers add partitions and groups to a transaction when their data arrive."""

    def begin(
        self, producer: ProducerIdentity, tps: Sequence[TopicPartition], group: str | None
    ) -> Sequence[Any]:
        """No request."""
        return ()

    def produce(self, producer: ProducerIdentity, batches: BuiltBatches) -> Any:
        """Produce 12."""
        return ProduceRequestV12(producer.transactional_id, REQUEST_TIMEOUT_MS, batches)

    def commit(self, producer: ProducerIdentity, offsets: Offsets, member: GroupMember) -> Any:
        """TxnOffsetCommit 5."""
        name, *id_and_epoch = producer
        return TxnOffsetCommitRequestV5(name, (id_and_epoch[0], id_and_epoch[1]), member, offsets)

    def end(self, producer: ProducerIdentity, *, commit: bool) -> Any:
        """EndTxn 5."""
        name, *id_and_epoch = producer
        return EndTxnRequestV5(name, (id_and_epoch[0], id_and_epoch[1]), commit=commit)

    def next_identity(self, producer: ProducerIdentity, ended: Any) -> ProducerIdentity:
        """The identity in the response: a new epoch, and a new id when the epochs are used up."""
        return producer._replace(producer_id=ended.producer_id, epoch=ended.producer_epoch)
