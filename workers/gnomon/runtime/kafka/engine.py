"""The Faust app of one stage, and what the runtime asks of it while it runs.

What one fetch returned of all partitions is one Faust event: one decode, one queue entry, one ack.
Faust does group membership, assignment, life cycle and back-pressure. Its per-event path, its
tracking of offsets and its commits are replaced, because offsets are committed inside the transaction
that writes the outputs.

Faust is extended in three places: ``App(ConsumerScheduler=…)`` hands a fetch on as if it were one
record, ``faust.Schema.compile`` passes it through undecoded, and a ``Transport`` (``consumer``) runs
the consumer on the worker's own event loop.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, cast

import faust
from faust.types import TP

from gnomon.errors import LostRecordsError
from gnomon.runtime.kafka.batch import Batch, BatchSchema, FetchScheduler
from gnomon.runtime.kafka.consumer import JOINING_RESPONSE_BYTES, BatchConsumer, BatchTransport
from gnomon.runtime.kafka.fetched_records import install as install_lean_records
from gnomon.runtime.kafka.leaders import Leaders
from gnomon.runtime.kafka.transactions.group import GroupMember
from gnomon.settings import Settings

BatchHandler = Callable[[Batch], Awaitable[None]]
"""Accepts one batch of one topic partition; it may wait, which is the back-pressure.

All partitions wait with it, so a partition that would wait for long is paused instead."""

PartitionsHandler = Callable[[set[TP]], Awaitable[None]]
AssignedHandler = Callable[[set[TP], GroupMember], Awaitable[None]]
"""Receives all partitions this worker owns, and its membership in the group."""


async def end_offsets(app: faust.App) -> dict[TP, int]:
    """Ask for the offset after the last record, by partition this worker owns.

    Raises:
        KafkaError: The brokers did not answer.
    """
    return await _consumer(app).loop_consumer.end_offsets()


def leaders(app: faust.App) -> Leaders:
    """Return what asks the leaders of partitions."""
    return _consumer(app).loop_consumer.leaders()


def set_paused(app: faust.App, partition: int, paused: bool) -> None:  # noqa: FBT001  a callback's only argument
    """Pause or resume the fetching of one partition number in every topic."""
    _consumer(app).set_paused(partition, paused=paused)


def last_error(app: faust.App) -> str | None:
    """Say why Faust has ended by itself; ``None`` while it runs."""
    consumer = _consumer(app)
    for service in (app, consumer, consumer.loop_consumer):
        if service.crashed:
            return f"the engine crashed: {getattr(service, 'crash_reason', None)!r}"
    return None if consumer.loop_consumer.serving else "the consumer's task ended"


def _consumer(app: faust.App) -> BatchConsumer:
    return cast(BatchConsumer, app.consumer)


def create_app(
    *,
    group: str,
    topics: Sequence[str],
    settings: Settings,
    linger_ms: int,
    transaction_s: Callable[[], float],
    transactional_id: str,
    on_fetched: Callable[[set[int]], None],
    on_lost: Callable[[LostRecordsError], None],
    handle: BatchHandler,
    on_assigned: AssignedHandler,
    on_revoked: PartitionsHandler,
) -> faust.App:
    """Create a Faust app with one agent that passes every fetched batch to ``handle``.

    Args:
        group: Consumer group.
        topics: Full names of the input topics; all have the same number of partitions.
        settings: Brokers, session time-out and batch size.
        linger_ms: How long the worker waits for more records under load at least.
        transaction_s: Returns how long transactions have taken lately; the wait follows it.
        transactional_id: Of the worker; reported to the group.
        on_fetched: Called with the partition numbers whose batches will be passed to ``handle`` next.
        on_lost: Called with an error when the log of a partition had to be read on from another offset.
        handle: Awaited for each batch, one at a time, in the order of arrival.
        on_assigned: Awaited with the partitions this worker owns, before any of them is read.
        on_revoked: Awaited with the partitions that are being taken away, before they are.
    """
    install_lean_records()
    app = faust.App(group, **_options(settings))
    app.transport = BatchTransport(app.conf.broker_consumer, app)
    app.transport.kafka = settings.kafka
    app.transport.linger_ms, app.transport.on_fetched = linger_ms, on_fetched
    if len(topics) > 1:
        app.transport.max_response_bytes = JOINING_RESPONSE_BYTES
    app.transport.transaction_s = transaction_s
    app.transport.on_lost = on_lost
    app.transport.transactional_id = transactional_id
    app.transport.instance_id = settings.instance_id
    source = app.topic(*topics, schema=BatchSchema(), internal=True)

    @app.agent(source, name=f"{group}.batches")
    async def batches(stream: Any) -> None:
        async for event in stream.events():
            for batch in event.value:
                await handle(batch)

    # weak=False: nothing but the app refers to these handlers.
    @app.on_partitions_assigned.connect(weak=False)
    async def assigned(_: faust.App, partitions: set[TP], **__: Any) -> None:
        await on_assigned(partitions, _consumer(app).loop_consumer.member())

    @app.on_partitions_revoked.connect(weak=False)
    async def revoked(_: faust.App, partitions: set[TP], **__: Any) -> None:
        await on_revoked(partitions)

    return app


def _options(settings: Settings) -> dict[str, Any]:
    """The options of the Faust app."""
    session_s = settings.session_timeout_s
    return {
        "broker": [f"kafka://{address}" for address in settings.kafka.addresses],
        "store": "memory://",
        "web_enabled": False,
        "datadir": settings.data_dir,  # Faust makes a folder, and keeps nothing in it
        "autodiscover": False,
        "topic_allow_declare": False,
        "topic_disable_leader": True,
        "table_standby_replicas": 0,
        "ConsumerScheduler": FetchScheduler,
        "broker_max_poll_records": settings.batch_max_records,
        "broker_session_timeout": session_s,
        # A member learns of a rebalance from the answer to a heartbeat, and all wait for the last to learn of it.
        "broker_heartbeat_interval": min(session_s / 4, 0.1),
        "broker_rebalance_timeout": max(30.0, session_s * 2),
        "broker_request_timeout": max(40.0, session_s * 2),
        "broker_max_poll_interval": 300.0,
        "broker_commit_interval": 3600.0,
        "consumer_auto_offset_reset": "earliest",
        "stream_buffer_maxsize": 1,
        "stream_wait_empty": False,
        "stream_publish_on_commit": False,
    }
