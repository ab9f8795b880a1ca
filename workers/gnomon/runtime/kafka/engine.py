"""Faust, bent to whole batches: the only module that knows Faust's inside.

One fetched batch of one partition is one Faust event: one decode, one queue entry, one ack.
Faust keeps what it is good at (group membership, assignment, life cycle, back-pressure); its
per-event path, its offset booking and its own commits are out of the way, because offsets are
committed inside the transaction that writes the outputs.

Extension points used: ``App(ConsumerScheduler=…)`` hands a batch on as if it were one record,
``faust.Schema.compile`` passes it through undecoded, and a ``Transport`` whose consumer runs on
the worker's own event loop: a second thread would only fight it for the GIL.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, cast

import aiokafka
import faust
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from gnomon.runtime.kafka.assignor import StickyAssignor
from gnomon.runtime.kafka.batch import Batch, BatchScheduler, BatchSchema
from gnomon.runtime.kafka.fetch_pacing import IDLE_WAIT_MS, FetchPacing
from gnomon.runtime.kafka.fetched_records import install as give_lean_records
from gnomon.settings import Settings

logging.getLogger(__name__).setLevel(logging.WARNING)  # mode logs each service under its module

BatchHandler = Callable[[Batch], Awaitable[None]]
"""Takes over one batch of one topic partition; may wait, which is the back-pressure.

All partitions wait with it, so one that waits for long is held instead: see ``hold``."""

PartitionsHandler = Callable[[set[TP]], Awaitable[None]]
AssignedHandler = Callable[[set[TP], int], Awaitable[None]]
"""Told all partitions this worker owns, and the generation of the group in which it does."""


SOME_POLL_S = 0.02
"""A poll for some partitions does not see that another goes on again, so it is a short one."""
METADATA_AGE_MS = 3_000
GATHERED_BYTES = 1 << 20
"""So much is handed on at once, however long it could wait for more."""
SHUTDOWN_S = 5.0
"""How long a part of the consumer may take to end: with Kafka gone it would wait for an answer."""


class LoopConsumer(driver.AIOKafkaConsumerThread):
    """Faust's consumer thread without the thread: served by a task of the main loop."""

    _serving: asyncio.Task[None] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        self.handed_out_to: dict[TP, int] = {}
        self.load = FetchPacing(cast("BatchTransport", self.transport).linger_ms)

    async def start(self) -> None:
        self._thread_started.set()
        self._thread_running = asyncio.get_running_loop().create_future()
        self._serving = asyncio.create_task(self._serve(), name="gnomon.consumer")
        await self._thread_running
        self._thread_running = None

    async def stop(self) -> None:
        if self._started.is_set():
            await faust.Service.stop(self)
            if self._serving is not None:
                await asyncio.wait([self._serving], timeout=10.0)

    async def _gather_remaining_tasks(self) -> None:
        """Leave the loop's other tasks alone: it is not this service's loop."""

    def _create_worker_consumer(self, transport: Any) -> aiokafka.AIOKafkaConsumer:
        conf = self.app.conf
        return aiokafka.AIOKafkaConsumer(
            client_id=conf.broker_client_id,
            group_id=conf.id,
            bootstrap_servers=driver.server_list(transport.url, transport.default_port),
            partition_assignment_strategy=[StickyAssignor()],
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            max_poll_records=conf.broker_max_poll_records,
            max_poll_interval_ms=int(conf.broker_max_poll_interval * 1000),
            max_partition_fetch_bytes=conf.consumer_max_fetch_size,
            fetch_max_wait_ms=IDLE_WAIT_MS,
            # A broker that has just started may not know its topics yet. Who is told so as it shares
            # out the partitions shares out none, and does it again when it has asked again.
            metadata_max_age_ms=METADATA_AGE_MS,
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
        if len(active_partitions) < len(consumer.assignment()):  # some are held
            timeout = SOME_POLL_S
        fetched = await super()._fetch_records(
            consumer, active_partitions, timeout=timeout, max_records=max_records
        )
        batches = {}
        gathering = self.load.busy(time.monotonic(), sum(map(len, fetched.values())))
        numbers = {tp.partition for tp in consumer.assignment()}
        fetcher = consumer._fetcher  # noqa: SLF001  aiokafka lets nobody change this later
        fetcher._fetch_min_bytes = GATHERED_BYTES if gathering else 1  # noqa: SLF001
        fetcher._fetch_max_wait_ms = self.load.wait_ms(len(numbers))  # noqa: SLF001
        for tp, records in fetched.items():
            if tp in fetcher._records:  # noqa: SLF001  the others have their turn before its rest
                fetcher._records.move_to_end(tp)  # noqa: SLF001  as above
            if records:
                last = records[-1]
                batches[tp] = Batch(
                    records,
                    self.handed_out_to.get(tp, 0),
                    tp.topic,
                    tp.partition,
                    last.offset,
                    last.timestamp,
                )
                self.handed_out_to[tp] = last.offset + 1
        return batches

    async def ends(self) -> dict[TP, int]:
        """By assigned partition, the offset after the last record there is to fold.

        The end of a transaction takes an offset too, so the end of the log says nothing about
        records; but reading passes it.
        """
        consumer = self._ensure_consumer()
        tps = consumer.assignment()
        ends = await consumer.end_offsets(tps) if tps else {}
        found = {}
        for tp, end in ends.items():
            read_to = await consumer.position(tp)
            key = TP(tp.topic, tp.partition)
            found[key] = end if read_to < end else self.handed_out_to.get(key, 0)
        return found

    @property
    def served(self) -> bool:
        """Whether its task runs."""
        return self._serving is not None and not self._serving.done()

    async def seek_to_committed(self) -> Mapping[TP, int]:
        """Begin again where the group left off: what was handed out since no longer counts."""
        committed = await super().seek_to_committed()
        self.handed_out_to = {tp: offset for tp, offset in committed.items() if offset}
        cast("BatchConsumer", self.consumer).clear_paused()
        return committed

    def verify_event_path(self, now: float, tp: TP) -> None:
        """Faust's stall check compares two clocks and cannot fire; health.py has its own."""


class BatchConsumer(driver.Consumer):
    """Faust's consumer without offset booking: the transaction commits."""

    reading: LoopConsumer

    def _new_consumer_thread(self) -> LoopConsumer:
        loop = asyncio.get_running_loop()
        self.reading = LoopConsumer(self, loop=loop, thread_loop=loop, beacon=self.beacon)
        return self.reading

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        """A batch's inner offsets are no gap to be remembered."""

    def ack(self, message: Any) -> bool:
        """Mark the batch as done."""
        message.acked = True
        self._unacked_messages.discard(message)
        return True

    def on_buffer_full(self, tp: TP) -> None:
        """Wait for room, as Faust does too once a queue is full.

        It would pause the partition before that. With all of them paused it sleeps for a second,
        however soon there is room again.
        """

    def on_buffer_drop(self, tp: TP) -> None:
        """Nothing was paused."""

    def hold(self, partition: int, *, held: bool) -> None:
        """Fetch no more of a partition of every topic, or go on.

        What a poll that has begun finds for it is given out all the same. Faust drops what is of a
        paused partition, unless it is among those whose queue is full.
        """
        tps = {tp for tp in self.assignment() if tp.partition == partition}
        if held:
            self.pause_partitions(tps)
            self._buffered_partitions |= tps
        else:
            self._buffered_partitions -= tps
            self.resume_partitions(tps)

    def clear_paused(self) -> None:
        """After a rebalance, which begins with all of them."""
        self._buffered_partitions.clear()

    async def commit(self, topics: Any = None, start_new_transaction: bool = True) -> bool:  # noqa: FBT001, FBT002  Faust's signature
        """Do nothing: offsets are committed with the outputs they led to."""
        return False

    async def wait_empty(self) -> None:
        """Return at once: the runtime drains its partitions on the revoke signal."""


async def ends(app: faust.App) -> dict[TP, int]:
    """By partition this worker owns, the offset after the last record there is to fold.

    Raises:
        KafkaError: The brokers did not say.
    """
    return await cast(BatchConsumer, app.consumer).reading.ends()


def hold(app: faust.App, partition: int, held: bool) -> None:  # noqa: FBT001  a callback's only word
    """Fetch no more of a partition of every topic, or go on; the others are not concerned."""
    cast(BatchConsumer, app.consumer).hold(partition, held=held)


def last_error(app: faust.App) -> str | None:
    """Why Faust has ended by itself, ``None`` while it lives."""
    consumer = cast(BatchConsumer, app.consumer)
    reading = consumer.reading
    for service in (app, consumer, reading):
        if service.crashed:
            return f"the engine crashed: {getattr(service, 'crash_reason', None)!r}"
    return None if reading.served else "the consumer's task ended"


class BatchTransport(driver.Transport):
    """Kafka by aiokafka on the worker's own loop, in whole batches."""

    Consumer = BatchConsumer
    linger_ms = 100


def create_app(
    *,
    group: str,
    topics: Sequence[str],
    settings: Settings,
    linger_ms: int,
    handle: BatchHandler,
    on_assigned: AssignedHandler,
    on_revoked: PartitionsHandler,
) -> faust.App:
    """A Faust app of one agent that hands every fetched batch to ``handle``.

    Args:
        group: Consumer group.
        topics: Full names of the input topics; all have the same number of partitions.
        settings: Brokers, session time-out and batch size.
        linger_ms: How long records wait at the broker for others while there are many, for each
            partition this worker owns.
        handle: Awaited for each batch, one at a time, in the order of arrival.
        on_assigned: Awaited with what this worker owns, before any of it is read.
        on_revoked: Awaited with the partitions that are being taken away, before they are.
    """
    give_lean_records()
    app = faust.App(
        group,
        broker=[f"kafka://{server.strip()}" for server in settings.brokers.split(",")],
        store="memory://",
        web_enabled=False,
        datadir=settings.data_dir,  # Faust makes a folder, and keeps nothing in it
        autodiscover=False,
        topic_allow_declare=False,
        topic_disable_leader=True,
        table_standby_replicas=0,
        ConsumerScheduler=BatchScheduler,
        broker_max_poll_records=settings.batch_max_records,
        broker_session_timeout=settings.session_timeout_s,
        # A heartbeat's answer is how a member learns that another has come or gone.
        broker_heartbeat_interval=min(settings.session_timeout_s / 4, 0.5),
        broker_rebalance_timeout=max(30.0, settings.session_timeout_s * 2),
        broker_request_timeout=max(40.0, settings.session_timeout_s * 2),
        broker_max_poll_interval=300.0,
        broker_commit_interval=3600.0,
        consumer_max_fetch_size=2 << 20,
        consumer_auto_offset_reset="earliest",
        stream_buffer_maxsize=8,
        stream_wait_empty=False,
        stream_publish_on_commit=False,
    )
    app.transport = BatchTransport(app.conf.broker_consumer, app)
    app.transport.linger_ms = linger_ms
    source = app.topic(*topics, schema=BatchSchema(), internal=True)

    @app.agent(source, name=f"{group}.batches")
    async def batches(stream: Any) -> None:
        async for event in stream.events():
            await handle(event.value)

    # weak=False: the app is the only owner of these handlers.
    @app.on_partitions_assigned.connect(weak=False)
    async def assigned(_: faust.App, partitions: set[TP], **__: Any) -> None:
        await on_assigned(partitions, app.consumer_generation_id)

    @app.on_partitions_revoked.connect(weak=False)
    async def revoked(_: faust.App, partitions: set[TP], **__: Any) -> None:
        await on_revoked(partitions)

    return app
