"""The two protocols of Kafka's transactions: which requests there are in each, and what is in them.

The first (KIP-98) is understood by all brokers, the second (KIP-890, part 2) by clusters that have
agreed on ``transaction.version`` 2. The second has two requests and one round trip less.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple, Protocol

from aiokafka.protocol.transaction import (
    AddOffsetsToTxnRequest,
    AddPartitionsToTxnRequest,
    EndTxnRequest,
    TxnOffsetCommitRequest,
)
from aiokafka.structs import TopicPartition

from gnomon.runtime.kafka.produce_requests import ProduceRequestV7, ProduceRequestV12
from gnomon.runtime.kafka.txn_requests import EndTxnRequestV5, TxnOffsetCommitRequestV5

REQUEST_TIMEOUT_MS: Final = 20_000
FEATURE: Final = "transaction.version"
TRANSACTIONS_V2: Final = 2
"""Version of the feature from which brokers add to a transaction what is sent in it."""

Built = Mapping[TopicPartition, bytearray]
Offsets = Mapping[TopicPartition, int]


class ProducerIdentity(NamedTuple):
    """Who writes: changes with each start, in the second protocol with each transaction."""

    transactional_id: str
    producer_id: int
    epoch: int


class TransactionProtocol(Protocol):
    """The requests of one protocol."""

    def opening(
        self, owner: ProducerIdentity, tps: Sequence[TopicPartition], group: str | None
    ) -> Sequence[Any]:
        """What to ask the transaction's coordinator first, at once."""
        ...

    def produce(self, owner: ProducerIdentity, batches: Built) -> Any:
        """What to ask the leader of these partitions."""
        ...

    def commit(self, owner: ProducerIdentity, offsets: Offsets, group: str) -> Any:
        """What to ask the group's coordinator."""
        ...

    def end(self, owner: ProducerIdentity, *, commit: bool) -> Any:
        """What to ask the transaction's coordinator last."""
        ...

    def next_owner(self, owner: ProducerIdentity, ended: Any) -> ProducerIdentity:
        """Who writes the next transaction, by the answer to the end of this one."""
        ...


class TransactionV1:
    """All that a transaction has is added to it by a request of its own."""

    def opening(
        self, owner: ProducerIdentity, tps: Sequence[TopicPartition], group: str | None
    ) -> Sequence[Any]:
        """AddPartitionsToTxn and AddOffsetsToTxn."""
        topics: defaultdict[str, list[int]] = defaultdict(list)
        for tp in tps:
            topics[tp.topic].append(tp.partition)
        adding = [AddPartitionsToTxnRequest(*owner, list(topics.items()))] if tps else []
        return adding if group is None else [*adding, AddOffsetsToTxnRequest(*owner, group)]

    def produce(self, owner: ProducerIdentity, batches: Built) -> Any:
        """Produce 7."""
        return ProduceRequestV7(owner.transactional_id, REQUEST_TIMEOUT_MS, batches)

    def commit(self, owner: ProducerIdentity, offsets: Offsets, group: str) -> Any:
        """TxnOffsetCommit 0."""
        name, *who = owner
        topics = {topic: [(p, at, "") for p, at in those] for topic, those in _by_topic(offsets)}
        return TxnOffsetCommitRequest(name, group, *who, list(topics.items()))

    def end(self, owner: ProducerIdentity, *, commit: bool) -> Any:
        """EndTxn 0."""
        return EndTxnRequest(*owner, commit)

    def next_owner(self, owner: ProducerIdentity, ended: Any) -> ProducerIdentity:
        """The same."""
        return owner


class TransactionV2:
    """Brokers add to a transaction what comes in it."""

    def opening(
        self, owner: ProducerIdentity, tps: Sequence[TopicPartition], group: str | None
    ) -> Sequence[Any]:
        """Nothing."""
        return ()

    def produce(self, owner: ProducerIdentity, batches: Built) -> Any:
        """Produce 12."""
        return ProduceRequestV12(owner.transactional_id, REQUEST_TIMEOUT_MS, batches)

    def commit(self, owner: ProducerIdentity, offsets: Offsets, group: str) -> Any:
        """TxnOffsetCommit 5."""
        name, *who = owner
        return TxnOffsetCommitRequestV5(name, group, (who[0], who[1]), dict(_by_topic(offsets)))

    def end(self, owner: ProducerIdentity, *, commit: bool) -> Any:
        """EndTxn 5."""
        name, *who = owner
        return EndTxnRequestV5(name, (who[0], who[1]), commit=commit)

    def next_owner(self, owner: ProducerIdentity, ended: Any) -> ProducerIdentity:
        """With a new epoch, and at the end of epochs a new id."""
        return owner._replace(producer_id=ended.producer_id, epoch=ended.producer_epoch)


def _by_topic(offsets: Offsets) -> Sequence[tuple[str, Sequence[tuple[int, int]]]]:
    topics: defaultdict[str, list[tuple[int, int]]] = defaultdict(list)
    for tp, offset in offsets.items():
        topics[tp.topic].append((tp.partition, offset))
    return list(topics.items())
