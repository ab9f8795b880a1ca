"""Writes the outputs of all partitions of a worker, and their offsets, in one transaction after another.

``docs/transactions.md`` has the protocol; the rules that the comments name are there. Each partition has
a ``PartitionWriter``. One task collects their writes (``write_queue``) and commits them with the one
producer of the worker.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Final, Protocol

from aiokafka.errors import (
    IllegalGenerationError,
    InvalidProducerIdMapping,
    KafkaError,
    MessageSizeTooLargeError,
    OutOfOrderSequenceNumber,
    ProducerFenced,
    RebalanceInProgressError,
    RecordListTooLargeError,
    UnknownMemberIdError,
    UnknownProducerId,
)
from aiokafka.structs import TopicPartition

from gnomon.connection import KafkaConnection
from gnomon.connection.refusals import unavailable
from gnomon.errors import FencedError, OutputTooLargeError
from gnomon.records import Outputs
from gnomon.runtime.kafka.transactions.group import GroupMember, Membership
from gnomon.runtime.kafka.transactions.output_batches import Batches, OutputEncoder
from gnomon.runtime.kafka.transactions.producer import TransactionalProducer
from gnomon.runtime.kafka.transactions.stable_offsets import OffsetSource, StableOffsets
from gnomon.runtime.kafka.transactions.write_queue import Write, WriteQueue, fail, merge
from gnomon.runtime.metrics import Metrics

ABORT_S: Final = 2.0
"""How long ``stop`` waits for the abort of a transaction; the next owner ends what is left of it."""
_FENCED = (ProducerFenced, OutOfOrderSequenceNumber)
_TOO_LARGE = (MessageSizeTooLargeError, RecordListTooLargeError)
_EXPIRED = (InvalidProducerIdMapping, UnknownProducerId)
"""Kafka has forgotten the producer, which was idle for long (``transactional.id.expiration.ms``)."""
_NOT_A_MEMBER = (IllegalGenerationError, UnknownMemberIdError, RebalanceInProgressError)


class Producer(OffsetSource, Protocol):
    """A transactional producer; ``TransactionalProducer`` says what each method does and raises."""

    async def start(self) -> None: ...  # noqa: D102
    async def renew(self) -> None: ...  # noqa: D102
    async def stop(self) -> None: ...  # noqa: D102
    async def partitions_of(self, topic: str, at_least: int) -> Sequence[int]: ...  # noqa: D102
    async def write(  # noqa: D102
        self, batches: Batches, offsets: Mapping[TopicPartition, int], *, member: GroupMember
    ) -> None: ...


class PartitionWriter:
    """Writes for one partition, until it is revoked; an ``OutputWriter``."""

    def __init__(self, worker: "WorkerWriter", partition: int) -> None:
        self.partition = partition
        self.revoked = False
        self._worker = worker

    def revoke(self) -> None:
        """Refuse all writes from now on, and those not yet begun: the partition was given up (rule 2)."""
        self.revoked = True

    async def begin(self, outputs: Outputs, offsets: Mapping[str, int]) -> asyncio.Future[None]:
        """See ``OutputWriter``."""
        return await self._worker.begin(self, outputs, offsets)

    async def write(self, outputs: Outputs, offsets: Mapping[str, int]) -> None:
        """See ``OutputWriter``."""
        await (await self.begin(outputs, offsets))


class WorkerWriter:
    """The only writer of a worker process.

    Attributes:
        transactional_id: Of its transactions.
        offsets: Reads committed offsets; usable while a writer is open.

    Args:
        kafka: The cluster.
        group: Consumer group of the stage, whose offsets are committed.
        stage: Named in dead letters, errors and metrics.
        prefix: Of every topic name.
        transactional_id: Of the worker's transactions; begins with the group and a dash.
        linger_s: How long the writes of some partitions may wait for those of the others.
        metrics: Records how long transactions take.
        new_producer: Creates a producer for a cluster and a transactional id.
    """

    def __init__(
        self,
        *,
        kafka: KafkaConnection,
        group: str,
        stage: str,
        prefix: str,
        transactional_id: str,
        linger_s: float = 0.0,
        metrics: Metrics,
        new_producer: Callable[[KafkaConnection, str], Producer] = TransactionalProducer,
    ) -> None:
        self.transactional_id = transactional_id
        self._kafka, self._group, self._stage, self._metrics = kafka, group, stage, metrics
        self._producer = new_producer(kafka, transactional_id)
        self.offsets = StableOffsets(self._producer, stage=stage, transactional_id=transactional_id)
        self._encoder = OutputEncoder(stage, prefix, self._producer.partitions_of)
        self._queue = WriteQueue(linger_s)
        self._membership = Membership(group)
        self._started = self._stale = self._fenced = False
        self._lock = asyncio.Lock()
        """Held by whoever uses the transaction of the producer."""
        self._running: asyncio.Task[None] | None = None
        self._current: asyncio.Task[None] | None = None

    @property
    def transaction_s(self) -> float:
        """How long transactions have taken lately."""
        return self._queue.transaction_s

    def joined(self, member: GroupMember, *, missed: bool) -> None:
        """Use ``member`` from the next transaction on.

        Args:
            member: The worker's membership in the new generation. Partitions that it no longer owns must
                have been revoked before.
            missed: Whether there was a generation without this worker. The transaction under way is
                given up then, and the producer starts anew (rule 9).
        """
        self._fenced = False
        self.offsets.joined(member, can_end=self._started)
        if missed:
            self._stale = self._started
            if self._current is not None:
                self._current.cancel()
        self._membership.joined(member)

    def expect(self, partitions: set[int]) -> None:
        """Note that records of these partitions were fetched."""
        self._queue.expect(partitions)

    @asynccontextmanager
    async def open(self, partition: int) -> AsyncIterator[PartitionWriter]:
        """Open a writer for a partition.

        Raises:
            BrokerUnavailableError: The producer cannot be started.
            ConfigurationError: The brokers are too old.
        """
        async with self._lock:
            await self._ensure_producer()
        if self._running is None:
            self._running = asyncio.create_task(self._run(), name=f"gnomon.{self._stage}.writer")
        writer = PartitionWriter(self, partition)
        try:
            yield writer
        finally:
            writer.revoke()

    async def stop(self) -> None:
        """Abort the transaction under way, and close the connections."""
        self.offsets.stop()
        tasks = [task for task in (self._running, self._current) if task is not None]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=ABORT_S)
        await self._producer.stop()

    async def begin(
        self, owner: PartitionWriter, outputs: Outputs, offsets: Mapping[str, int]
    ) -> asyncio.Future[None]:
        """Queue ``outputs`` of the partition of ``owner`` and its ``offsets``; see ``OutputWriter``."""
        try:
            batches = await self._encoder.encode(outputs, owner.partition)
        except KafkaError as error:
            raise unavailable(self._stage, error) from error
        tps = {TopicPartition(topic, owner.partition): n for topic, n in offsets.items()}
        done = asyncio.get_running_loop().create_future()
        self._queue.add(Write(owner, batches, tps, done, outputs.trace_id))
        return done

    async def _run(self) -> None:
        while True:
            writes = await self._queue.take()
            async with self._lock:
                self._current = asyncio.create_task(self._commit(writes))
                try:
                    await asyncio.wait([self._current])
                finally:
                    self._current = None

    async def _commit(self, writes: Sequence[Write]) -> None:
        """Commit ``writes`` in one transaction, or in several if one of them is refused."""
        try:
            await self._transact(writes)
        except asyncio.CancelledError:
            fail(writes, FencedError(f"{self._stage}: the partitions were assigned anew"))
            raise
        except Exception as error:  # the edge of a task: the partitions' workers report it
            fail(writes, error)

    async def _transact(self, writes: Sequence[Write]) -> None:
        forgotten = False
        while True:
            await self._ensure_producer()
            member = await self._membership.wait(newer_than=None)
            # Nothing may be awaited between this and the request: a rebalance could take partitions away
            # that would then be committed under the new generation (rule 2).
            writes = self._still_owned(writes)
            if not writes:
                return
            batches, offsets = merge(writes)
            trace_id = next((write.trace_id for write in writes if write.trace_id), None)
            try:
                with self._metrics.time(
                    "gnomon_transaction_seconds", self._stage, trace_id=trace_id
                ):
                    began_s = asyncio.get_running_loop().time()
                    await self._producer.write(batches, offsets, member=member)
                    self._queue.observe(asyncio.get_running_loop().time() - began_s)
            except asyncio.CancelledError:
                self._stale = True
                raise
            except Exception as error:
                self._stale = True  # rule 5
                if isinstance(error, _NOT_A_MEMBER):
                    await self._membership.wait(newer_than=member)
                    continue
                if isinstance(error, _EXPIRED) and not forgotten:
                    forgotten = True  # begun again in place; nothing of this transaction was stored
                    continue
                if isinstance(error, _TOO_LARGE) and len(writes) > 1:
                    half = len(writes) // 2
                    await self._commit(writes[:half])
                    await self._commit(writes[half:])
                    return
                raise self._as_gnomon_error(error) from error
            self.offsets.committed(offsets)
            for write in writes:
                if not write.done.done():
                    write.done.set_result(None)
            return

    def _still_owned(self, writes: Sequence[Write]) -> Sequence[Write]:
        owned = []
        for write in writes:
            if self._fenced or write.owner.revoked:
                fail([write], FencedError(f"{self._stage}[{write.owner.partition}]: given up"))
            elif not write.done.done():
                owned.append(write)
        return owned

    async def _ensure_producer(self) -> None:
        """Start the producer, or start it anew after a transaction that failed; needs the lock."""
        try:
            if not self._started:
                await self._producer.start()
                self._started = True
            elif self._stale:
                await self._producer.renew()
            self._stale = False
        except KafkaError as error:
            raise unavailable(str(self._kafka), error) from error

    def _as_gnomon_error(self, error: Exception) -> Exception:
        if isinstance(error, _FENCED):
            self._fenced = True
            return FencedError(f"{self._stage}: {error!r}")
        if isinstance(error, _TOO_LARGE):
            return OutputTooLargeError(f"a topic refused it: {error!r}")
        if isinstance(error, KafkaError):
            return unavailable(self._stage, error)
        return error
