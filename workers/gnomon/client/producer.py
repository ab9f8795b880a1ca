"""The Kafka producer behind the client. Imports aiokafka, so only the background thread may."""

import asyncio
import contextlib
import logging
import threading
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Final, cast

from aiokafka import AIOKafkaProducer
from aiokafka.errors import (
    CorruptRecordException,
    KafkaError,
    MessageSizeTooLargeError,
    RecordListTooLargeError,
)
from aiokafka.partitioner import DefaultPartitioner

from gnomon.client.buffer import Record
from gnomon.client.delivery import Delivery, UnavailableError

BATCH_BYTES: Final = 1_000_000
"""More than one round, less than what a broker takes by default."""
REQUEST_TIMEOUT_MS: Final = 10_000
"""A broker that hangs is left and tried again after this long."""
REFUSALS: Final = (CorruptRecordException, MessageSizeTooLargeError, RecordListTooLargeError)

_partitioner: Final = DefaultPartitioner()


@lru_cache(maxsize=4096)
def partition_of(key: bytes, partitions: tuple[int, ...]) -> int:
    """The partition every Kafka client with the default (murmur2) partitioner gives ``key``."""
    return int(_partitioner(key, list(partitions), list(partitions)))


class KafkaProducer:
    """An idempotent producer that writes one round of events at a time.

    A failed round leaves the sequence numbers of its partitions behind the broker's, so the
    producer must be dropped after one, and another made.
    """

    def __init__(self, brokers: Sequence[str], topic: str) -> None:
        self._topic = topic
        self._producer = AIOKafkaProducer(
            bootstrap_servers=list(brokers),
            enable_idempotence=True,
            max_batch_size=BATCH_BYTES,
            request_timeout_ms=REQUEST_TIMEOUT_MS,
        )

    async def start(self) -> None:
        """Connect; raises ``UnavailableError`` where no broker answers in time."""
        try:
            async with asyncio.timeout(REQUEST_TIMEOUT_MS / 1000):
                await self._producer.start()
        except BaseException as error:
            await self.stop(1.0)
            if isinstance(error, OSError | KafkaError | TimeoutError):
                raise UnavailableError(type(error).__name__) from error
            raise

    async def deliver(self, records: Sequence[Record]) -> list[Delivery]:
        """Write ``records``, one batch a partition, and wait for the acknowledgements.

        Each partition's events are stored all or none, in their order.

        Raises:
            UnavailableError: The topic's partitions are not known; nothing was sent.
        """
        try:
            partitions = tuple(sorted(await self._producer.partitions_for(self._topic)))
        except (OSError, KafkaError) as error:
            raise UnavailableError(type(error).__name__) from error
        by_partition: dict[int, list[Record]] = {}
        for record in records:
            by_partition.setdefault(partition_of(record.key, partitions), []).append(record)
        errors = await asyncio.gather(*(self._write(p, r) for p, r in by_partition.items()))
        return list(map(Delivery, by_partition.values(), errors))

    async def _write(self, partition: int, records: Sequence[Record]) -> Exception | None:
        """Write one partition's batch; say what went wrong, if anything did."""
        batch = self._producer.create_batch()
        for record in records:
            batch.append(timestamp=None, key=record.key, value=record.value)
        batch.close()
        try:
            await (await self._producer.send_batch(batch, self._topic, partition=partition))
        except REFUSALS as error:
            return cast("Exception", error)
        except (OSError, KafkaError) as error:
            return UnavailableError(type(error).__name__)
        return None

    async def stop(self, timeout_s: float) -> None:
        """Disconnect within ``timeout_s``, whatever the broker does."""
        with contextlib.suppress(OSError, KafkaError, TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._producer.stop()
        # stop() waits for a broker that hangs; closing the connections fails what is under way.
        with contextlib.suppress(OSError, KafkaError, TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._producer.client.close()


class _OtherThreads(logging.Filter):
    """Lets through what other threads log: an agent's own use of aiokafka stays audible."""

    def __init__(self, quiet: int) -> None:
        super().__init__()
        self._quiet = quiet

    def filter(self, record: logging.LogRecord) -> bool:
        """Drop what this client's thread has logged; it has its own line a minute."""
        return record.thread != self._quiet


def hush_this_thread() -> None:
    """Silence aiokafka's and asyncio's lines of this thread: an outage makes hundreds."""
    quiet = _OtherThreads(threading.get_ident())
    for name in _loggers(("aiokafka", "asyncio")):
        logging.getLogger(name).addFilter(quiet)


def _loggers(roots: Iterable[str]) -> list[str]:
    """Loggers below ``roots``; a logger's filter does not see its children's records."""
    known = list(logging.Logger.manager.loggerDict)
    return [name for name in known if name.partition(".")[0] in roots]
