"""Faust's consumer, changed to run on the worker's event loop and to yield whole batches.

Faust serves its consumer from a thread of its own; here a task of the main loop serves it, because a
second thread would only compete for the GIL. Nothing is committed from here: offsets are part of the
transaction that writes the outputs.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, cast

import aiokafka
import faust
from aiokafka.errors import KafkaError
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from gnomon.connection import KafkaConnection, aiokafka_clients
from gnomon.errors import LostRecordsError
from gnomon.records import SourceRecord
from gnomon.runtime.kafka.assignor import StickyAssignor
from gnomon.runtime.kafka.batch import Batch, Fetched
from gnomon.runtime.kafka.fetch_pacing import (
    IDLE_WAIT_MS,
    MOST_PARTITION_BYTES,
    FetchPacing,
    partition_bytes,
    waiting_records,
)
from gnomon.runtime.kafka.leaders import Leaders
from gnomon.runtime.kafka.transactions.group import GroupMember

logger = logging.getLogger(__name__)
# Faust's base class logs the life cycle of each service under the module that defines it.
logger.setLevel(logging.WARNING)

PARTIAL_POLL_S = 0.02
"""Longest poll while some partitions are paused: a poll that has begun does not see a resume."""
METADATA_MAX_AGE_MS = 3_000
STOP_TIMEOUT_S = 10.0


class Transport(Protocol):
    """What a consumer is told by the transport that made it."""

    kafka: KafkaConnection
    linger_ms: int
    max_response_bytes: int
    transactional_id: str
    instance_id: str
    transaction_s: Callable[[], float]
    on_fetched: Callable[[set[int]], None]
    on_lost: Callable[[LostRecordsError], None]


class PausingConsumer(Protocol):
    """A consumer that knows which partitions are paused."""

    def clear_paused(self) -> None:
        """Forget which partitions are paused."""
        ...


class LoopConsumer(driver.AIOKafkaConsumerThread):
    """Faust's consumer thread without the thread.

    Attributes:
        next_offsets: By partition, the offset after the last record that was handed on.
        pacing: How long to wait for more records before a fetch.
    """

    _serving: asyncio.Task[None] | None = None
    _paced: object = None

    def __post_init__(self) -> None:
        super().__post_init__()
        self.next_offsets: dict[TP, int] = {}
        transport = cast("Transport", self.transport)
        self.pacing = FetchPacing(transport.linger_ms, transport.transaction_s)
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
            cast("Transport", transport).kafka,
            client_id=conf.broker_client_id,
            group_id=conf.id,
            group_instance_id=transport.instance_id or None,
            partition_assignment_strategy=[self._keeping],
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            max_poll_records=conf.broker_max_poll_records,
            max_poll_interval_ms=int(conf.broker_max_poll_interval * 1000),
            max_partition_fetch_bytes=MOST_PARTITION_BYTES,
            fetch_max_bytes=transport.max_response_bytes,
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
    ) -> dict[TP, Fetched]:
        if len(active_partitions) < len(consumer.assignment()):  # some are paused
            timeout = PARTIAL_POLL_S
        try:
            fetched = await super()._fetch_records(
                consumer, active_partitions, timeout=timeout, max_records=max_records
            )
        except LostRecordsError as error:
            cast("Transport", self.transport).on_lost(error)
            return {}
        self._pace_fetches(consumer)
        handed_on = self._as_one(consumer, fetched, active_partitions)
        counts = [len(records) for records in fetched.values() if records]
        self.pacing.observe(
            time.monotonic(),
            sum(counts),
            batches=len(counts),
            left=self._left(consumer) if counts else 0,
        )
        return handed_on

    def _as_one(
        self,
        consumer: aiokafka.AIOKafkaConsumer,
        fetched: Mapping[TP, Sequence[SourceRecord]],
        active_partitions: set[TP],
    ) -> dict[TP, Fetched]:
        """Put the batches of all partitions together, so that Faust handles one item for each fetch.

        Faust drops what belongs to a partition that is not active, so the item is that of an active one,
        if there is one.
        """
        # aiokafka would hand on all fetched records of the first partition before the second's.
        remaining = consumer._fetcher._records  # noqa: SLF001  aiokafka has no public way
        batches = []
        for tp, records in fetched.items():
            if tp in remaining:
                remaining.move_to_end(tp)
            if records:
                start = self.next_offsets.get(tp, 0)
                batches.append(Batch(records, start, tp.topic, tp.partition))
                self.next_offsets[tp] = records[-1].offset + 1
        if not batches:
            return {}
        cast("Transport", self.transport).on_fetched({each.partition for each in batches})
        lead = next((tp for tp in fetched if fetched[tp] and tp in active_partitions), None)
        lead = lead or next(tp for tp in fetched if fetched[tp])
        last = fetched[lead][-1]
        return {lead: Fetched(batches, lead.topic, lead.partition, last.offset, last.timestamp)}

    def _left(self, consumer: aiokafka.AIOKafkaConsumer) -> int:
        """Return how many records wait in all partitions, those of open transactions included."""
        return waiting_records(
            self.next_offsets, {tp: consumer.highwater(tp) for tp in consumer.assignment()}
        )

    def _pace_fetches(self, consumer: aiokafka.AIOKafkaConsumer) -> None:
        """Let all further fetches of ``consumer`` wait as the pacing says, and have some of every partition."""
        fetcher = consumer._fetcher  # noqa: SLF001  aiokafka has no public way
        limit = cast("Transport", self.transport).max_response_bytes
        fetcher._max_partition_fetch_bytes = partition_bytes(limit, len(consumer.assignment()))  # noqa: SLF001
        if fetcher is not self._paced:
            self._paced = fetcher
            fetcher._proc_fetch_request = self.pacing.paced(fetcher._proc_fetch_request)  # noqa: SLF001

    def member(self) -> GroupMember:
        """Return the membership in the group, as the coordinator has last confirmed it."""
        coordinator = self._ensure_consumer()._coordinator  # noqa: SLF001  aiokafka has no public way
        return GroupMember(
            coordinator.group_id,
            coordinator.generation,
            coordinator.member_id,
            cast("Transport", self.transport).instance_id or None,
            self._keeping.members,
        )

    def leaders(self) -> Leaders:
        """Return what asks the leaders of partitions by this consumer's connections."""
        return Leaders(self._ensure_consumer())

    async def end_offsets(self) -> dict[TP, int]:
        """Ask the brokers for the offset after the last record, by assigned partition.

        The end of a transaction occupies an offset without being a record, so the end of the log
        alone would show a lag that nothing can reduce. Once the position has passed it, the offset
        after the last record that was handed on is used instead. Records behind the begin of an open
        transaction wait, too: a transaction that nobody ends becomes a stalled fetch.

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
            # To a reader of committed records, the log ends where the first open transaction begins.
            end = max(log_end, consumer.highwater(tp) or 0)
            ends[key] = end if position < end else self.next_offsets.get(key, 0)
        return ends

    @property
    def serving(self) -> bool:
        """Whether the task that serves this consumer runs."""
        return self._serving is not None and not self._serving.done()

    async def seek_to_committed(self) -> Mapping[TP, int]:
        """Seek to the group's committed offsets; what was handed on since no longer counts.

        Where retention has removed records after such an offset, seek to what is left: recovery tells the
        state of the gap. Else the first fetch would meet it, in every worker that starts again.
        """
        committed = await super().seek_to_committed()
        await self._pass_gaps({tp: offset for tp, offset in committed.items() if offset})
        self.next_offsets = {tp: offset for tp, offset in committed.items() if offset}
        cast("PausingConsumer", self.consumer).clear_paused()
        return committed

    async def _pass_gaps(self, committed: Mapping[TP, int]) -> None:
        if not committed:
            return
        consumer = self._ensure_consumer()
        try:
            beginnings = await consumer.beginning_offsets(list(committed))
        except KafkaError as error:  # the fetch tells what is wrong
            logger.warning("log.beginnings_unknown", extra={"reason": repr(error)})
            return
        for tp, beginning in beginnings.items():
            if committed[tp] < beginning:
                consumer.seek(tp, beginning)

    def verify_event_path(self, now: float, tp: TP) -> None:
        """Check nothing: Faust's stall check compares two clocks; ``stall_monitor`` replaces it."""
