"""Seals batches of comparisons and stores those of several partitions in one SQL transaction."""

from collections import deque
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import NamedTuple

from gnomon.errors import EventError, KeyDestroyedError, OvertakenError
from gnomon.events import SealedDecision
from gnomon.records import DeadLetter, Outputs, SourceRecord
from gnomon.stages.vault_roots import Covered, RootedStore
from gnomon.stages.vault_sealing import BatchSealer, Sealed
from gnomon.store.figures import metrics_rows
from gnomon.topics import COMPARISON_METRICS, DECISIONS
from gnomon.vault import KeyRing, published


class Batch(NamedTuple):
    """Consecutive records of one partition, and the offset in ``comparisons`` from which a crash repeats them."""

    records: Sequence[SourceRecord]
    from_offset: int


@dataclass(slots=True)
class _Part:
    """What is to be stored of one batch, and what was stored of it before."""

    comparisons: Sequence[SourceRecord]
    metrics: Sequence[SourceRecord]
    stored: list[SealedDecision]
    sealed: Sequence[Sealed]
    from_offset: int
    outputs: Outputs = field(default_factory=Outputs)


class BatchWriter:
    """Seals and stores batches; for one thread a partition at a time.

    Args:
        rooted: Where rows and roots are kept.
        keyring: Has the keys.
        sealer: Seals the comparisons.
        canary: The canary that the key has opened.
        topic_prefix: Of every topic name.
    """

    def __init__(
        self,
        rooted: RootedStore,
        keyring: KeyRing,
        sealer: BatchSealer,
        *,
        canary: bytes | None,
        topic_prefix: str,
    ) -> None:
        self._rooted, self._keyring, self._sealer = rooted, keyring, sealer
        self._canary = canary
        self._metrics_topic = topic_prefix + COMPARISON_METRICS.name
        self._committed: deque[Sequence[Sealed]] = deque()

    def committed(self) -> list[Sealed]:
        """Return the decisions that were sealed and committed since the last call, each once; for any thread."""
        found: list[Sealed] = []
        while self._committed:
            found += self._committed.popleft()
        return found

    def write(self, batches: Sequence[Batch]) -> list[Outputs]:
        """Store ``batches``, each of another partition, and return what each leads to.

        Raises:
            StoreUnavailableError: Not all was stored; a retry may succeed.
            KeyProviderUnavailableError: A new key is due and whoever wraps it does not answer.
        """
        try:
            return self._write(batches)
        except OvertakenError:  # a part of the batches may be stored by now
            return self._write(batches)

    def _write(self, batches: Sequence[Batch]) -> list[Outputs]:
        parts = [self._part(batch) for batch in batches]
        self._store(parts)
        return [self._published(part) for part in parts]

    def _part(self, batch: Batch) -> _Part:
        comparisons: list[SourceRecord] = []
        metrics: list[SourceRecord] = []
        for record in batch.records:
            (metrics if record.topic == self._metrics_topic else comparisons).append(record)
        stored, left = self._rooted.stored_before(comparisons)
        part = _Part(comparisons, metrics, stored, (), batch.from_offset)
        part.sealed = self._sealer.seal(left, part.outputs)
        return part

    def _store(self, parts: Sequence[_Part]) -> None:
        """Store all at once; if the store refuses a row, part by part, and the rows of a part one by one."""
        try:
            self._upsert(parts)
        except EventError:
            if len(parts) > 1:
                for part in parts:
                    self._store([part])
            else:
                self._store_row_by_row(parts[0])

    def _store_row_by_row(self, part: _Part) -> None:
        """Make dead letters of the records whose rows are refused."""
        part.sealed = [each for each in part.sealed if self._is_stored(each, part)]
        with suppress(EventError):  # the next metrics replace them
            self._upsert([_Part(part.comparisons, part.metrics, part.stored, (), part.from_offset)])

    def _is_stored(self, each: Sealed, part: _Part) -> bool:
        try:
            self._upsert([_Part(part.comparisons, (), part.stored, [each], part.from_offset)])
        except EventError as error:
            part.outputs.dead.append(DeadLetter(each.record, error.reason, error.detail))
            return False
        return True

    def _upsert(self, parts: Sequence[_Part]) -> None:
        sealed = [each for part in parts for each in part.sealed]
        try:
            self._rooted.upsert(
                [
                    Covered(
                        _rows(part.sealed), part.comparisons, part.from_offset, bool(part.stored)
                    )
                    for part in parts
                ],
                figures=[each.figures for each in sealed],
                metrics=metrics_rows(record for part in parts for record in part.metrics),
                keys=self._keyring.rows_of(each.row.key_id for each in sealed),
                canary=self._canary,
            )
        except KeyDestroyedError as error:  # the retry seals and hashes with other keys
            self._keyring.forget(error.key_ids)
            raise
        self._committed.append(sealed)

    def _published(self, part: _Part) -> Outputs:
        rows = [*part.stored, *_rows(part.sealed)]
        self._rooted.publish(part.comparisons, part.stored, part.outputs)
        part.outputs.add(DECISIONS.name, published(rows))
        return part.outputs


def _rows(sealed: Iterable[Sealed]) -> list[SealedDecision]:
    return [each.row for each in sealed]
