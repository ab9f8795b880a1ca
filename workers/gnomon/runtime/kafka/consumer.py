"""Faust's transport, consumer and producer, changed to work on whole batches.

Nothing is committed from here: offsets are part of the transaction that writes the outputs.
"""

import asyncio
from collections.abc import Callable
from typing import Any

from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from gnomon.connection import KafkaConnection
from gnomon.errors import LostRecordsError
from gnomon.runtime.kafka.loop_consumer import LoopConsumer

MAX_RESPONSE_BYTES = 50 << 20
JOINING_RESPONSE_BYTES = 1_400_000
"""The limit of a stage that reads several topics, whose responses are the largest. It is slightly less than the
size from which malloc maps a block of its own (``runtime.process.memory``): larger responses cost a page fault
for each 4 KiB and each time they are copied."""


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


class IdleProducer(driver.Producer):
    """Faust's producer, which never connects: the worker's own writer writes all records."""

    async def on_start(self) -> None:
        """Make no connection."""


class BatchTransport(driver.Transport):
    """Kafka by aiokafka on the worker's own loop, in whole batches."""

    Consumer = BatchConsumer
    Producer = IdleProducer
    kafka: KafkaConnection
    linger_ms = 100
    max_response_bytes = MAX_RESPONSE_BYTES
    transactional_id = ""
    instance_id = ""
    transaction_s: Callable[[], float] = staticmethod(lambda: 0.0)
    on_fetched: Callable[[set[int]], None] = staticmethod(lambda partitions: None)
    on_lost: Callable[[LostRecordsError], None] = staticmethod(lambda error: None)
