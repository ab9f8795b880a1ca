"""Which client processes one partition has heard of, and what it has read of each.

A record whose producer and ``seq`` have been read before is the same record once more. A producer
is forgotten when nothing was read of it for one to two spans of ``KEPT_MS`` of append time, or,
sooner, when ``MOST`` others were heard after it and as many again: two generations are kept, and
whoever is heard moves into the newer. All of this is a function of the log alone, if its append
times ascend: neither where a batch ends nor when a tick comes makes a difference.
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
"""As long as task-events keeps its records: a spool may be replayed days later."""
MOST: Final = 10_000
"""Producers in one generation of one partition."""


class Producers:
    """All producers of one partition.

    Attributes:
        newer: Those heard in this generation.
        older: Those last heard in the one before.
        span: Number of the span of ``KEPT_MS`` that the newer generation belongs to.
        heard_ms: Append time of the newest record that said who sent it.
        repeated: Repeats read since the log began.
    """

    __slots__ = ("heard_ms", "newer", "older", "repeated", "span")

    def __init__(self) -> None:
        self.newer: dict[str, Received] = {}
        self.older: dict[str, Received] = {}
        self.span = -1
        self.heard_ms = 0
        self.repeated = 0

    def __len__(self) -> int:
        """How many are known."""
        return len(self.newer) + len(self.older)

    def take(self, records: Sequence[SourceRecord], events: Sequence[TaskEvent]) -> Sequence[int]:
        """Note one batch, in the order of the log.

        Args:
            records: Where ``events`` were read.
            events: Those without a ``producer_id`` or ``seq`` are passed over.

        Returns:
            The indexes of the records that had been read before, ascending.
        """
        groups = _seqs_by_producer(events)
        if not groups:
            return ()
        newest_ms = _newest_ms(records, events)
        if newest_ms // KEPT_MS > self.span or len(self.newer) + len(groups) > MOST:
            return self._take_singly(records, events)
        self.heard_ms = newest_ms
        repeats: dict[str, Sequence[int]] = {}
        for producer_id, seqs in groups.items():
            known = self.newer.get(producer_id) or self._join(producer_id)
            if positions := known.take(seqs):
                repeats[producer_id] = positions
        return self._counted(list(_indexes(events, repeats)) if repeats else ())

    def told(self, partition: int) -> list[Keyed]:
        """Write down what changed since this was last called."""
        rows: list[Keyed] = []
        for producer_id, known in chain(self.older.items(), self.newer.items()):
            events = known.received + known.repeated
            if events != known.told:
                known.told = events
                seen = ClientSeen(
                    producer_id=producer_id,
                    partition=partition,
                    received=known.received,
                    repeated=known.repeated,
                    last_seq=known.last,
                    as_of_ms=self.heard_ms,
                )
                rows.append((f"{producer_id}/{partition}".encode(), codec.encode(seen)))
        return rows

    def _take_singly(
        self, records: Sequence[SourceRecord], events: Sequence[TaskEvent]
    ) -> Sequence[int]:
        """``take`` where a generation may end between two records."""
        repeats = []
        for at, (record, event) in enumerate(zip(records, events, strict=True)):
            producer_id, seq = event.producer_id, event.seq
            if producer_id is None or seq is None:
                continue
            self.heard_ms = record.timestamp
            span = record.timestamp // KEPT_MS
            if span > self.span:
                self._begin(older=self.newer if span == self.span + 1 else {})
                self.span = span
            if producer_id not in self.newer and len(self.newer) >= MOST:
                self._begin(older=self.newer)
            known = self.newer.get(producer_id) or self._join(producer_id)
            if known.take([seq]):
                repeats.append(at)
        return self._counted(repeats)

    def _begin(self, *, older: dict[str, Received]) -> None:
        self.newer, self.older = {}, older

    def _join(self, producer_id: str) -> Received:
        """Take a producer into the newer generation."""
        known = self.older.pop(producer_id, None)
        if known is None:
            known = Received()
        self.newer[producer_id] = known
        return known

    def _counted(self, repeats: Sequence[int]) -> Sequence[int]:
        self.repeated += len(repeats)
        return repeats


def _seqs_by_producer(events: Sequence[TaskEvent]) -> Mapping[str, list[int]]:
    """In the order of the log, of those events that have both; in C, where they were read there."""
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
    """Append time of the last record that says who sent it; there is one."""
    return next(
        record.timestamp
        for record, event in zip(reversed(records), reversed(events), strict=True)
        if event.seq is not None and event.producer_id is not None
    )


def _indexes(events: Sequence[TaskEvent], repeats: Mapping[str, Sequence[int]]) -> Iterator[int]:
    """Where in the batch the given positions of each producer's own events are."""
    wanted = {producer_id: set(positions) for producer_id, positions in repeats.items()}
    passed = dict.fromkeys(wanted, 0)
    for at, event in enumerate(events):
        producer_id = event.producer_id
        if producer_id in passed and producer_id is not None and event.seq is not None:
            if passed[producer_id] in wanted[producer_id]:
                yield at
            passed[producer_id] += 1
