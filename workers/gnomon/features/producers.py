"""The client processes (producers) of one partition, and which of their events have been read.

A record whose ``producer_id`` and ``seq`` were read before is a repeat of that record. Producers
are kept in two generations; reading an event of a producer moves it into the newer one. A new
generation begins with each span of ``KEPT_MS`` of append time, and when the newer one holds
``MAX_PRODUCERS``; the older one is then forgotten. So a producer is forgotten after one to two spans
without an event, or earlier when many others were read after it. Provided that append times ascend,
the state is a function of the log alone: neither the split into batches nor the ticks matter.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, Final

from gnomon import codec
from gnomon.events import ClientSeen, TaskEvent
from gnomon.features.received import Received
from gnomon.records import Keyed, SourceRecord

KEPT_MS: Final = 7 * 86_400_000
"""The retention of task-events, because a spool may be replayed days later."""
MAX_PRODUCERS: Final = 10_000
"""The most producers in one generation of one partition."""


class Producers:
    """All producers of one partition.

    Attributes:
        newer: Producers with an event in the newer generation.
        older: Producers whose last event is in the older generation.
        span: Number of the span of ``KEPT_MS`` that the newer generation belongs to.
        appended_ms: Append time of the newest record that names its producer.
        repeated: Repeats read since the log began.
    """

    __slots__ = ("appended_ms", "newer", "older", "repeated", "span")

    def __init__(self) -> None:
        self.newer: dict[str, Received] = {}
        self.older: dict[str, Received] = {}
        self.span = -1
        self.appended_ms = 0
        self.repeated = 0

    def __len__(self) -> int:
        """The number of producers that are remembered."""
        return len(self.newer) + len(self.older)

    def mark_read(
        self, records: Sequence[SourceRecord], events: Sequence[TaskEvent]
    ) -> Sequence[int]:
        """Mark the events of one batch as read.

        Args:
            records: The records of ``events``, in log order.
            events: Events without a ``producer_id`` or ``seq`` are ignored.

        Returns:
            The indexes of the repeats, ascending.
        """
        groups = _seqs_by_producer(events)
        if not groups:
            return ()
        newest_ms = _newest_ms(records, events)
        if newest_ms // KEPT_MS > self.span or len(self.newer) + len(groups) > MAX_PRODUCERS:
            return self._mark_one_by_one(records, events)
        self.appended_ms = newest_ms
        repeats: dict[str, Sequence[int]] = {}
        for producer_id, seqs in groups.items():
            known = self.newer.get(producer_id) or self._join(producer_id)
            if positions := known.mark(seqs):
                repeats[producer_id] = positions
        return self._counted(list(_indexes(events, repeats)) if repeats else ())

    def report(self, partition: int) -> list[Keyed]:
        """Make the records of the producers of whom more was read since the last call."""
        rows: list[Keyed] = []
        for producer_id, known in chain(self.older.items(), self.newer.items()):
            events = known.received + known.repeated
            if events != known.reported:
                known.reported = events
                seen = ClientSeen(
                    producer_id=producer_id,
                    partition=partition,
                    received=known.received,
                    repeated=known.repeated,
                    last_seq=known.last,
                    as_of_ms=self.appended_ms,
                )
                rows.append((f"{producer_id}/{partition}".encode(), codec.encode(seen)))
        return rows

    def _mark_one_by_one(
        self, records: Sequence[SourceRecord], events: Sequence[TaskEvent]
    ) -> Sequence[int]:
        """``mark_read`` for a batch within which a generation may end."""
        repeats = []
        for at, (record, event) in enumerate(zip(records, events, strict=True)):
            producer_id, seq = event.producer_id, event.seq
            if producer_id is None or seq is None:
                continue
            self.appended_ms = record.timestamp
            span = record.timestamp // KEPT_MS
            if span > self.span:
                self._begin_generation(older=self.newer if span == self.span + 1 else {})
                self.span = span
            if producer_id not in self.newer and len(self.newer) >= MAX_PRODUCERS:
                self._begin_generation(older=self.newer)
            known = self.newer.get(producer_id) or self._join(producer_id)
            if known.mark([seq]):
                repeats.append(at)
        return self._counted(repeats)

    def _begin_generation(self, *, older: dict[str, Received]) -> None:
        self.newer, self.older = {}, older

    def _join(self, producer_id: str) -> Received:
        """Move a producer into the newer generation; add it if it is not remembered."""
        known = self.older.pop(producer_id, None)
        if known is None:
            known = Received()
        self.newer[producer_id] = known
        return known

    def _counted(self, repeats: Sequence[int]) -> Sequence[int]:
        self.repeated += len(repeats)
        return repeats


def _seqs_by_producer(events: Sequence[TaskEvent]) -> Mapping[str, list[int]]:
    """The ``seq`` of each event that names its producer, in log order, by producer.

    Compiled events group themselves.
    """
    packed: Callable[[], dict[str, list[int]]] | None = getattr(events, "seqs_by_producer", None)
    if packed is not None:
        return packed()
    groups: defaultdict[Any, list[int]] = defaultdict(list)
    for event in events:
        seq = event.seq
        if seq is not None:
            groups[event.producer_id].append(seq)
    groups.pop(None, None)
    return groups


def _newest_ms(records: Sequence[SourceRecord], events: Sequence[TaskEvent]) -> int:
    """Append time of the last record that names its producer; there is one."""
    return next(
        record.timestamp
        for record, event in zip(reversed(records), reversed(events), strict=True)
        if event.seq is not None and event.producer_id is not None
    )


def _indexes(events: Sequence[TaskEvent], repeats: Mapping[str, Sequence[int]]) -> Iterator[int]:
    """Indexes in the batch of the given positions among each producer's events."""
    wanted = {producer_id: set(positions) for producer_id, positions in repeats.items()}
    passed = dict.fromkeys(wanted, 0)
    for at, event in enumerate(events):
        producer_id = event.producer_id
        if producer_id in passed and producer_id is not None and event.seq is not None:
            if passed[producer_id] in wanted[producer_id]:
                yield at
            passed[producer_id] += 1
