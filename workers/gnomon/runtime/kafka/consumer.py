"""Faust's consumer, changed to run on the worker's event loop and to yield whole batches.

Faust serves its consumer from a thread of its own; here a task of the main loop serves it, because a
second thread would only compete for the GIL. Nothing is committed from here: offsets are part of the
transaction that writes the outputs.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import aiokafka
import faust
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from gnomon.connection import KafkaConnection, aiokafka_clients
from gnomon.runtime.kafka.assignor import StickyAssignor
from gnomon.runtime.kafka.batch import Batch
from gnomon.runtime.kafka.fetch_pacing import IDLE_WAIT_MS, FetchPacing
from gnomon.runtime.kafka.transactions.group import GroupMember

# Faust's base class logs the life cycle of each service under the module that defines it.
logging.getLogger(__name__).setLevel(logging.WARNING)

PARTIAL_POLL_S = 0.02
"""Longest poll while some partitions are paused: a poll that has begun does not see a resume."""
METADATA_MAX_AGE_MS = 3_000
BUSY_MIN_BYTES = 1 << 20
"""Under load, the broker answers a fetch once this much is there, or when the linger has passed."""
STOP_TIMEOUT_S = 10.0


class LoopConsumer(driver.AIOKafkaConsumerThread):
    """Faust's consumer thread without the thread.

    Attributes:
        next_offsets: By partition, the offset after the last record that was handed on.
        pacing: How long the broker may wait for more records before it answers a fetch.
    """

    _serving: asyncio.Task[None] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        self.next_offsets: dict[TP, int] = {}
        transport = cast("BatchTransport", self.transport)
        self.pacing = FetchPacing(transport.linger_ms)
        self._keeping = StickyAssignor(transport.transactional_id)

    async def start(self) -> None:
        """Create the consumer and serve its requests from a task of this loop."""
        self._thread_started.set()
        self._thread_running = asyncio.get_running_loop().create_future()
        self._serving = asyncio.create_task(self._serve(), name="gnomon.consumer")
        await self._thread_running
        self._thread_running = None

    async def stop(self) -> None:
        """Stop the service and wait for its task."""
        if self._started.is_set():
            await faust.Service.stop(self)
            if self._serving is not None:
                await asyncio.wait([self._serving], timeout=STOP_TIMEOUT_S)

    async def _gather_remaining_tasks(self) -> None:
        """Cancel nothing: the loop's other tasks are not this service's."""

    def _create_worker_consumer(self, transport: Any) -> aiokafka.AIOKafkaConsumer:
        conf = self.app.conf
        return aiokafka_clients.consumer(
            cast("BatchTransport", transport).kafka,
            client_id=conf.broker_client_id,
            group_id=conf.id,
            group_instance_id=transport.instance_id or None,
            partition_assignment_strategy=[self._keeping],
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            max_poll_records=conf.broker_max_poll_records,
            max_poll_interval_ms=int(conf.broker_max_poll_interval * 1000),
            max_partition_fetch_bytes=conf.consumer_max_fetch_size,
            fetch_max_wait_ms=IDLE_WAIT_MS,
            # A broker that has just started may not know its topics yet. The group leader then
            # assigns no partitions, and assigns again when a metadata refresh shows them.
            metadata_max_age_ms=METADATA_MAX_AGE_MS,
            request_timeout_ms=int(conf.broker_request_timeout * 1000),
            session_timeout_ms=int(conf.broker_session_timeout * 1000),
            rebalance_timeout_ms=int(conf.broker_rebalance_timeout * 1000),
            heartbeat_interval_ms=int(conf.broker_heartbeat_interval * 1000),
        )

    async def _fetch_records(  # type: ignore[override]  # batches where Faust has records
        self,
        consumer: aiokafka.AIOKafkaConsumer,
        active_partitions: set[TP],
        timeout: float | None = None,  # noqa: ASYNC109  Faust's signature
        max_records: int | None = None,
    ) -> dict[TP, Batch]:
        if len(active_partitions) < len(consumer.assignment()):  # some are paused
            timeout = PARTIAL_POLL_S
        fetched = await super()._fetch_records(
            consumer, active_partitions, timeout=timeout, max_records=max_records
        )
        self._pace_next_fetch(consumer, records=sum(map(len, fetched.values())))
        batches = {}
        # aiokafka would hand on all fetched records of the first partition before the second's.
        remaining = consumer._fetcher._records  # noqa: SLF001  aiokafka has no public way
        for tp, records in fetched.items():
            if tp in remaining:
                remaining.move_to_end(tp)
            if records:
                last = records[-1]
                batches[tp] = Batch(
                    records,
                    self.next_offsets.get(tp, 0),
                    tp.topic,
                    tp.partition,
                    last.offset,
                    last.timestamp,
                )
                self.next_offsets[tp] = last.offset + 1
        cast("BatchTransport", self.transport).on_fetched({tp.partition for tp in batches})
        return batches

    def _pace_next_fetch(self, consumer: aiokafka.AIOKafkaConsumer, *, records: int) -> None:
        """Set the size and the wait of the next fetch request from the rate of records."""
        busy = self.pacing.observe(time.monotonic(), records)
        fetcher = consumer._fetcher  # noqa: SLF001  aiokafka takes these only when it is created
        fetcher._fetch_min_bytes = BUSY_MIN_BYTES if busy else 1  # noqa: SLF001
        fetcher._fetch_max_wait_ms = self.pacing.wait_ms()  # noqa: SLF001

    def member(self) -> GroupMember:
        """Return the membership in the group, as the coordinator has last confirmed it."""
        coordinator = self._ensure_consumer()._coordinator  # noqa: SLF001  aiokafka has no public way
        return GroupMember(
            coordinator.group_id,
            coordinator.generation,
            coordinator.member_id,
            cast("BatchTransport", self.transport).instance_id or None,
            self._keeping.members,
        )

    async def beginning_offsets(
        self, tps: Sequence[aiokafka.TopicPartition]
    ) -> Mapping[aiokafka.TopicPartition, int]:
        """Ask the brokers where the logs of ``tps`` begin.

        Raises:
            KafkaError: The brokers did not answer.
        """
        found: Mapping[aiokafka.TopicPartition, int]
        found = await self._ensure_consumer().beginning_offsets(list(tps))
        return found

    async def end_offsets(self) -> dict[TP, int]:
        """Ask the brokers for the offset after the last record, by assigned partition.

        The end of a transaction occupies an offset without being a record, so the end of the log
        alone would show a lag that nothing can reduce. Once the position has passed it, the offset
        after the last record that was handed on is used instead.

        Raises:
            KafkaError: The brokers did not answer.
        """
        consumer = self._ensure_consumer()
        tps = consumer.assignment()
        log_ends = await consumer.end_offsets(tps) if tps else {}
        ends = {}
        for tp, log_end in log_ends.items():
            position = await consumer.position(tp)
            key = TP(tp.topic, tp.partition)
            ends[key] = log_end if position < log_end else self.next_offsets.get(key, 0)
        return ends

    @property
    def serving(self) -> bool:
        """Whether the task that serves this consumer runs."""
        return self._serving is not None and not self._serving.done()

    async def seek_to_committed(self) -> Mapping[TP, int]:
        """Seek to the group's committed offsets; what was handed on since no longer counts."""
        committed = await super().seek_to_committed()
        self.next_offsets = {tp: offset for tp, offset in committed.items() if offset}
        cast("BatchConsumer", self.consumer).clear_paused()
        return committed

    def verify_event_path(self, now: float, tp: TP) -> None:
        """Check nothing: Faust's stall check compares two clocks; ``stall_monitor`` replaces it."""


class BatchConsumer(driver.Consumer):
    """Faust's consumer without its tracking of offsets: the transaction commits them."""

    loop_consumer: LoopConsumer

    def _new_consumer_thread(self) -> LoopConsumer:
        loop = asyncio.get_running_loop()
        self.loop_consumer = LoopConsumer(self, loop=loop, thread_loop=loop, beacon=self.beacon)
        return self.loop_consumer

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        """Ignore the gap: it is the inside of a batch."""

    def ack(self, message: Any) -> bool:
        """Mark the batch as done."""
        message.acked = True
        self._unacked_messages.discard(message)
        return True

    def on_buffer_full(self, tp: TP) -> None:
        """Do not pause: Faust waits for room when the queue is full.

        Faust would pause the partition before that. When all partitions are paused it sleeps for a
        second, however soon there is room again.
        """

    def on_buffer_drop(self, tp: TP) -> None:
        """Do nothing: ``on_buffer_full`` paused nothing."""

    def set_paused(self, partition: int, *, paused: bool) -> None:
        """Pause or resume the fetching of one partition number in every topic.

        A poll that has begun may still find records of a paused partition. Faust would drop them,
        unless the partition is among those whose buffer is full, so it is entered there.
        """
        tps = {tp for tp in self.assignment() if tp.partition == partition}
        if paused:
            self.pause_partitions(tps)
            self._buffered_partitions |= tps
        else:
            self._buffered_partitions -= tps
            self.resume_partitions(tps)

    def clear_paused(self) -> None:
        """Forget which partitions are paused: after a rebalance all of them are fetched."""
        self._buffered_partitions.clear()

    async def commit(self, topics: Any = None, start_new_transaction: bool = True) -> bool:  # noqa: FBT001, FBT002  Faust's signature
        """Do nothing: offsets are committed with the outputs they led to."""
        return False

    async def wait_empty(self) -> None:
        """Return at once: the runtime drains its partitions when they are revoked."""


class BatchTransport(driver.Transport):
    """Kafka by aiokafka on the worker's own loop, in whole batches."""

    Consumer = BatchConsumer
    kafka: KafkaConnection
    linger_ms = 100
    transactional_id = ""
    instance_id = ""
    on_fetched: Callable[[set[int]], None] = staticmethod(lambda partitions: None)
