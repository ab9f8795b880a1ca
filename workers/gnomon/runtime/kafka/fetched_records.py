"""Fetched records with only the fields a stage reads, decoded a whole record batch at a time.

aiokafka makes a dataclass of eleven fields of each record and passes it through two iterators. Here
one comprehension makes Structs of seven fields, which the garbage collector does not track, in two
thirds of the time. ``batch_reader`` does the same in C for the batches it can read. Which records are
skipped (aborted, control, before the position) and how the position moves is as in aiokafka.

One thing is not: if the position is outside the log, because retention has removed its records or
because the topic was made again, aiokafka reads on from the beginning of the log without a word. Here
that is an error.

The classes replace aiokafka's own by name: ``gnomon.runtime.kafka`` lists the names they rely on.
"""

import struct
import sys
from collections.abc import Callable, Iterator
from itertools import dropwhile, islice
from typing import Any

import msgspec
from aiokafka.consumer import fetcher, subscription_state
from aiokafka.errors import CorruptRecordException
from aiokafka.record.memory_records import MemoryRecords

from gnomon.errors import LostRecordsError
from gnomon.records import Headers, SourceRecord
from gnomon.runtime.kafka import compiled

Run = list[SourceRecord]
"""Consecutive records; also ``PackedRecords``, which support the same operations."""
TakeRecords = Callable[[int], Run]
"""Returns up to that many of the next records of one batch; fewer at its end."""

_LENGTH = struct.Struct(">i")
_LENGTH_AT, _LENGTH_END = 8, 12
"""Where the length of a record batch stands in it; the length counts the bytes after that."""


class FetchedRecord(msgspec.Struct, frozen=True, gc=False):
    """One record; implements ``SourceRecord``."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Headers


class _FramedBatches:
    """aiokafka's ``MemoryRecords`` that also keeps the bytes of the batch it returned last.

    Attributes:
        frame: Those bytes, from the base offset on.
    """

    def __init__(self, data: bytes) -> None:
        self._batches, self._data, self._at = MemoryRecords(data), memoryview(data), 0
        self.frame = self._data[:0]
        self.has_next: Callable[[], bool] = self._batches.has_next
        self.size_in_bytes: Callable[[], int] = self._batches.size_in_bytes

    def next_batch(self) -> Any:
        (length,) = _LENGTH.unpack_from(self._data, self._at + _LENGTH_AT)
        end = self._at + _LENGTH_END + length
        self.frame, self._at = self._data[self._at : end], end
        return self._batches.next_batch()


class _PartitionRecords(fetcher.PartitionRecords):  # type: ignore[misc]  # untyped
    """The fetched batches of one partition; yields runs of records, or single ones by iteration."""

    _most = 1

    def __next__(self) -> SourceRecord:
        run = self.run(1)
        if not run:
            raise StopIteration
        return run[0]

    def run(self, most: int) -> Run:
        """Return the next ``most`` records; fewer if there are no more.

        Later batches are not decoded before they are needed.

        Raises:
            CorruptRecordException: A checksum does not match. No records follow it.
        """
        self._most = most
        return next(self._records_iterator, [])

    def close(self) -> None:
        """Release the fetched bytes.

        The iterator and this object refer to each other, so megabytes would otherwise stay in
        memory until the garbage collector runs.
        """
        self._records_iterator.close()

    def _unpack_records(self) -> Iterator[Run]:
        batches: _FramedBatches = self._records
        found: Run = []
        while batches.has_next():
            batch = batches.next_batch()
            in_c = compiled.batch_reader is not None and _is_plain(batch)
            if self._check_crcs and not (
                compiled.batch_reader.intact(batches.frame) if in_c else batch.validate_crc()
            ):
                raise CorruptRecordException(f"Invalid CRC - {self._tp}")
            if self._has_records(batch):
                take = self._compiled_reader(batches.frame) if in_c else self._python_reader(batch)
                while True:
                    more = take(self._most - len(found))
                    if found:
                        found += more
                    else:
                        found = more
                    if len(found) < self._most:
                        break  # an exhausted batch of aiokafka's would start over when asked again
                    self.next_fetch_offset = found[-1].offset + 1
                    yield found
                    found = []
            # Also past the offsets in the batch that compaction has removed.
            self.next_fetch_offset = batch.next_offset
        if found:
            yield found

    def _compiled_reader(self, frame: memoryview) -> TakeRecords:
        reader = compiled.batch_reader.Reader(frame, *self._tp, self.next_fetch_offset)
        take: TakeRecords = reader.take
        return take

    def _python_reader(self, batch: Any) -> TakeRecords:
        (topic, partition), rest = self._tp, self._from_position(batch)
        return lambda most: [
            FetchedRecord(topic, partition, r.offset, r.timestamp, r.key, r.value, r.headers)
            for r in islice(rest, most)
        ]

    def _has_records(self, batch: Any) -> bool:
        """Whether readers may see the records of a batch; keeps track of aborted transactions."""
        producer_id = batch.producer_id
        if self._isolation_level == fetcher.READ_COMMITTED and producer_id is not None:
            self._consume_aborted_up_to(batch.base_offset)
            if batch.is_control_batch and self._contains_abort_marker(batch):
                self._aborted_producers.discard(producer_id)
            if batch.is_transactional and producer_id in self._aborted_producers:
                return False
        return not batch.is_control_batch

    def _from_position(self, batch: Any) -> Iterator[Any]:
        """The records of a batch at and after the position; offsets ascend in a batch."""
        start = self.next_fetch_offset
        # Batches of the old format have no producer id, and no base offset to rely on.
        if batch.producer_id is None or batch.base_offset < start:
            return dropwhile(lambda record: record.offset < start, batch)
        return islice(
            batch, None
        )  # a batch of aiokafka's must not be iterated from its start twice


def _is_plain(batch: Any) -> bool:
    """Whether ``batch_reader`` can read a batch: format 2, which has producer ids, uncompressed."""
    return batch.producer_id is not None and not batch.compression_type


class _PartitionState(subscription_state.TopicPartitionState):  # type: ignore[misc]  # untyped
    """The position in one partition.

    Attributes:
        left: The position from which it was taken away, if it was; ``None`` again after a seek.
    """

    left: int | None = None

    def await_reset(self, strategy: int) -> None:
        """Give up the position: the broker has answered that it is outside the log."""
        if self._position is not None:
            self.left = self._position
        super().await_reset(strategy)

    def seek(self, position: int) -> None:
        """Take a position that was asked for."""
        self.left = None
        super().seek(position)


class _FetchResult(fetcher.FetchResult):  # type: ignore[misc]  # untyped
    _partition_records: _PartitionRecords | None

    def getall(self, max_records: int | None = None) -> Run:
        """Return up to ``max_records`` and move the position past them.

        Raises:
            LostRecordsError: They do not follow those before them.
        """
        records = self._partition_records
        if records is None:
            return []
        if not self.check_assignment(self._topic_partition):
            records.close()
            return []
        self._require_next(records.next_fetch_offset)
        most = sys.maxsize if max_records is None else max_records
        run = records.run(most)
        self._update_position()
        if len(run) < most:
            records.close()
            self._partition_records = None
        return run

    def _require_next(self, offset: int) -> None:
        state = self._assignment.state_value(self._topic_partition)
        left = getattr(state, "left", None)  # an assignment from before ``install`` has none
        if left is None or left == offset:
            return
        topic, partition = self._topic_partition
        raise LostRecordsError(
            f"{topic}[{partition}]: offset {left} is not in the log, which was read on from {offset}:"
            " retention has removed records that were not read, or the topic was made again"
        )


def install() -> None:
    """Make every consumer of this process return these records; deserializers are not called.

    aiokafka looks the classes up under these names in its module and offers no other way.
    """
    fetcher.PartitionRecords, fetcher.FetchResult = _PartitionRecords, _FetchResult
    fetcher.MemoryRecords = _FramedBatches
    subscription_state.TopicPartitionState = _PartitionState
