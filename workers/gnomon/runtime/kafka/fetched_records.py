"""Records as they are fetched, with only what a stage reads, and as many at once as there are.

aiokafka makes a dataclass of eleven fields of each record and hands it on through two iterators;
this makes Structs of seven, that the garbage collector need not look at, of a whole record batch
in one comprehension, in two thirds of the time. ``recordbatch`` does it in C, for the batches it
can read. What is read and what is passed over is aiokafka's rule, and where reading stands is told
to it after the same records.
"""

import struct
import sys
from collections.abc import Callable, Iterator
from itertools import dropwhile, islice
from typing import Any

import msgspec
from aiokafka.consumer import fetcher
from aiokafka.errors import CorruptRecordException
from aiokafka.record.memory_records import MemoryRecords

from gnomon.records import Headers, SourceRecord
from gnomon.runtime.kafka import compiled

Run = list[SourceRecord]
"""Records that follow one another; or ``PackedRecords``, which do what is asked of a list here."""
Next = Callable[[int], Run]
"""Up to so many more of one batch; fewer, if there are no more."""

_LENGTH = struct.Struct(">i")
_LENGTH_AT, _BEHIND_LENGTH = 8, 12


class FetchedRecord(msgspec.Struct, frozen=True, gc=False):
    """A ``SourceRecord``."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Headers


class _Batches:
    """aiokafka's, and the bytes of the one it gave last."""

    def __init__(self, data: bytes) -> None:
        self._batches, self._data, self._at = MemoryRecords(data), memoryview(data), 0
        self.frame = self._data[:0]
        self.has_next: Callable[[], bool] = self._batches.has_next
        self.size_in_bytes: Callable[[], int] = self._batches.size_in_bytes

    def next_batch(self) -> Any:
        (length,) = _LENGTH.unpack_from(self._data, self._at + _LENGTH_AT)
        end = self._at + _BEHIND_LENGTH + length
        self.frame, self._at = self._data[self._at : end], end
        return self._batches.next_batch()


class _Records(fetcher.PartitionRecords):  # type: ignore[misc]  # untyped
    """Gives runs to who asks for them, and single records to others."""

    _most = 1

    def __next__(self) -> SourceRecord:
        run = self.run(1)
        if not run:
            raise StopIteration
        return run[0]

    def run(self, most: int) -> Run:
        """The next ``most`` records; fewer, if there are no more.

        No batch is looked at that they do not need.

        Raises:
            CorruptRecordException: A batch is not as it was written. There are no more then.
        """
        self._most = most
        return next(self._records_iterator, [])

    def close(self) -> None:
        """Let go of what was fetched.

        The iterator and this refer to each other: megabytes would stay until the garbage collector
        comes round to them.
        """
        self._records_iterator.close()

    def _unpack_records(self) -> Iterator[Run]:
        batches: _Batches = self._records
        found: Run = []
        while batches.has_next():
            batch = batches.next_batch()
            in_c = compiled.recordbatch is not None and _is_plain(batch)
            if self._check_crcs and not (
                compiled.recordbatch.intact(batches.frame) if in_c else batch.validate_crc()
            ):
                raise CorruptRecordException(f"Invalid CRC - {self._tp}")
            if self._has_records(batch):
                take = self._taking_in_c(batches.frame) if in_c else self._taking(batch)
                while True:
                    more = take(self._most - len(found))
                    if found:
                        found += more
                    else:
                        found = more
                    if len(found) < self._most:
                        break  # asked again after its end, aiokafka's batch would begin anew
                    self.next_fetch_offset = found[-1].offset + 1
                    yield found
                    found = []
            # After what compaction or the end of a transaction left of the batch, too.
            self.next_fetch_offset = batch.next_offset
        if found:
            yield found

    def _taking_in_c(self, frame: memoryview) -> Next:
        reader = compiled.recordbatch.Reader(frame, *self._tp, self.next_fetch_offset)
        take: Next = reader.take
        return take

    def _taking(self, batch: Any) -> Next:
        (topic, partition), left = self._tp, self._after_start(batch)
        return lambda most: [
            FetchedRecord(topic, partition, r.offset, r.timestamp, r.key, r.value, r.headers)
            for r in islice(left, most)
        ]

    def _has_records(self, batch: Any) -> bool:
        """Whether any of a batch is for readers; notes where transactions were aborted."""
        producer_id = batch.producer_id
        if self._isolation_level == fetcher.READ_COMMITTED and producer_id is not None:
            self._consume_aborted_up_to(batch.base_offset)
            if batch.is_control_batch and self._contains_abort_marker(batch):
                self._aborted_producers.discard(producer_id)
            if batch.is_transactional and producer_id in self._aborted_producers:
                return False
        return not batch.is_control_batch

    def _after_start(self, batch: Any) -> Iterator[Any]:
        """A batch's records, without those before what was asked for; offsets ascend in it."""
        start = self.next_fetch_offset
        # Those of the old format, which have no producer, do not say where they begin.
        if batch.producer_id is None or batch.base_offset < start:
            return dropwhile(lambda record: record.offset < start, batch)
        return islice(batch, None)  # aiokafka's own iterator must not be begun twice


def _is_plain(batch: Any) -> bool:
    """Whether ``recordbatch`` can read it: of the new format, which has producers, as it is."""
    return batch.producer_id is not None and not batch.compression_type


class _Result(fetcher.FetchResult):  # type: ignore[misc]  # untyped
    _partition_records: _Records | None

    def getall(self, max_records: int | None = None) -> Run:
        """Up to ``max_records``; the position is moved behind them."""
        records = self._partition_records
        if records is None:
            return []
        if not self.check_assignment(self._topic_partition):
            records.close()
            return []
        most = sys.maxsize if max_records is None else max_records
        run = records.run(most)
        self._update_position()
        if len(run) < most:
            records.close()
            self._partition_records = None
        return run


def install() -> None:
    """Let every consumer of this process give ``FetchedRecord``; deserializers are not called.

    aiokafka takes the classes from these names in its module and offers no other way.
    """
    fetcher.PartitionRecords, fetcher.FetchResult = _Records, _Result
    fetcher.MemoryRecords = _Batches
