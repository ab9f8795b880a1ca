"""Hands what one partition has folded to its writer, and keeps which offsets are folded and committed.

While a write is pending, the next batch may be folded: then the state is ahead of what is committed. That
batch is handed over when the write before it is committed, never earlier. A transaction that is too large is
repeated in parts, and the later one of two writes must not be committed without the earlier.
"""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from gnomon.records import DeadLetter, Outputs, SourceRecord, one_topic
from gnomon.runtime.batch_metrics import BatchMetrics, trace_id_of
from gnomon.runtime.metrics import Metrics
from gnomon.runtime.partition.ports import OutputWriter, PartitionRef
from gnomon.runtime.partition.progress import Progress

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PendingWrite:
    """A batch that was handed over and is not yet known to be committed.

    Attributes:
        records: The batch.
        offsets: Next offset to read after it, by full topic name.
        dead: Its dead letters.
        trace_id: A trace in which it came about.
        committed: Ends when it is committed, or with the error of ``OutputWriter.begin``.
    """

    records: Sequence[SourceRecord]
    offsets: Mapping[str, int]
    dead: Sequence[DeadLetter]
    trace_id: str | None
    committed: asyncio.Future[None]


class Commits:
    """The offsets of one partition, and its pending write.

    Attributes:
        offsets: Next offset to read as committed, by full topic name; empty before ``recovered``.
        folded: Next offset to fold; ahead of ``offsets`` while a write is pending.
        pending: The write that is not yet committed.

    Args:
        stage: Name of the stage.
        ref: Which partition.
        metrics: Where to count what is committed.
        progress: Told of each commit.
        on_committed: Called when a write has ended, well or not.
        now_ms: The clock of the records, epoch milliseconds.
    """

    def __init__(
        self,
        stage: str,
        ref: PartitionRef,
        *,
        metrics: Metrics,
        progress: Progress,
        on_committed: Callable[[], None] = lambda: None,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self.offsets: dict[str, int] = {}
        self.folded: dict[str, int] = {}
        self.pending: PendingWrite | None = None
        self._stage, self._partition = stage, ref.partition
        self._progress, self._on_committed = progress, on_committed
        self._metrics = BatchMetrics(metrics, stage=stage, partition=ref.partition, now_ms=now_ms)

    @property
    def ended(self) -> bool:
        """Whether the pending write has ended, well or not, so that ``settle`` does not wait."""
        return self.pending is not None and self.pending.committed.done()

    def recovered(self, offsets: Mapping[str, int]) -> None:
        """Begin at ``offsets``, by full topic name: the state was rebuilt up to them."""
        self.offsets, self.folded = dict(offsets), dict(offsets)

    def fold_again(self) -> None:
        """Go back to what is committed, because the state was rebuilt there."""
        self.folded = dict(self.offsets)

    async def begin(
        self, writer: OutputWriter, records: Sequence[SourceRecord], outputs: Outputs
    ) -> None:
        """Hand over what ``records`` led to; none may be pending.

        Raises:
            FencedError: Another worker owns the partition.
            OutputTooLargeError: An output is too large for any topic.
        """
        offsets = _next_offsets(records, topics=len(self.offsets))
        trace_id = outputs.trace_id = trace_id_of(records[0])
        dead = outputs.dead
        committed = await writer.begin(outputs, offsets)
        self.pending = PendingWrite(records, offsets, dead, trace_id, committed)
        self.folded |= offsets
        committed.add_done_callback(lambda _: self._on_committed())

    async def settle(self) -> bool:
        """Wait until no write is pending; return whether one was.

        Raises:
            FencedError: Another worker owns the partition.
            OutputTooLargeError: A topic refuses the batch; nothing is pending any more.
            BrokerUnavailableError: The transaction could not be completed.
        """
        if (write := self.pending) is None:
            return False
        self._progress.enter("committing")
        try:
            await write.committed
        finally:
            self.pending = None
        self.offsets |= write.offsets
        self._progress.advanced()
        self._metrics.committed(
            write.records,
            counts=_count_by_topic(write.records, topics=len(self.offsets)),
            offsets=write.offsets,
            dead=write.dead,
            trace_id=write.trace_id,
        )
        logger.debug(
            "batch.done",
            extra={
                "stage": self._stage,
                "partition": self._partition,
                "records": len(write.records),
                "dead": len(write.dead),
            },
        )
        return True

    def abandon(self) -> None:
        """Forget the pending write, because the work has ended; it is dropped unless it has begun."""
        if self.pending is not None and not self.pending.committed.cancel():
            self.pending.committed.exception()  # else it would be logged as never retrieved
        self.pending = None


def _next_offsets(records: Sequence[SourceRecord], *, topics: int) -> dict[str, int]:
    """The offset after the last record of each topic."""
    if topics == 1 or one_topic(records):
        return {records[-1].topic: records[-1].offset + 1}
    return {record.topic: record.offset + 1 for record in records}


def _count_by_topic(records: Sequence[SourceRecord], *, topics: int) -> Mapping[str, int]:
    if topics == 1 or one_topic(records):
        return {records[-1].topic: len(records)}
    return Counter(record.topic for record in records)
