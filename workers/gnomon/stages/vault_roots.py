"""The Merkle trees of the vault stage: stored with the rows, published with the decisions."""

import logging
from collections import defaultdict
from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec

from gnomon import codec
from gnomon.errors import UnreadableError
from gnomon.events import SealedDecision
from gnomon.records import Keyed, Outputs, SourceRecord
from gnomon.store import DecisionStore
from gnomon.store.figures import Figures, MetricsRows
from gnomon.store.roots import Addition
from gnomon.topics import VAULT_ROOTS
from gnomon.vault import KeyRing, KeyRow, open_bytes
from gnomon.vault.tamper import Head, HourRoot, StatementSeal, hour_of
from gnomon.vault.tamper.published import head_event, root_event


class _Identified(msgspec.Struct, gc=False):
    decision_id: str


_decode: Final = msgspec.json.Decoder(_Identified).decode
logger = logging.getLogger(__name__)


class Covered(NamedTuple):
    """Rows, and the batch of one partition that they were made of.

    Attributes:
        rows: The rows.
        batch: The records; more of the partition may have been read with them.
        from_offset: Where that began, and where a crash would repeat it.
        repeats: Whether the last transactions have stored some of the batch.
    """

    rows: Sequence[SealedDecision]
    batch: Sequence[SourceRecord]
    from_offset: int
    repeats: bool = False


class RootedStore:
    """Stores sealed decisions together with the roots that cover them.

    Args:
        store: Where both are kept.
        keyring: Opens what is stored; its provider's key wraps the keys of the seals too.
    """

    def __init__(self, store: DecisionStore, keyring: KeyRing) -> None:
        self._store, self._keyring = store, keyring
        self._log = store.root_log(StatementSeal.of(keyring.provider, store.keys))
        self._unpublished_hours: defaultdict[int, set[int]] = defaultdict(set)
        """Hours to which committed transactions have added since the last publication, by partition."""

    def cover(self) -> None:
        """Cover decisions that a gnomon without roots has stored; does nothing once there is any root."""
        if covered := self._log.cover_all():
            logger.warning("vault.covered", extra={"decisions": covered})

    def stored_before(
        self, records: Sequence[SourceRecord]
    ) -> tuple[list[SealedDecision], Sequence[SourceRecord]]:
        """Return what the last transactions stored of ``records``, and those records that are to be stored.

        A batch is repeated when the process ended after some of its rows were stored and before Kafka had
        committed its offsets. A row that is not as it was stored then is stored again.
        """
        if not records:
            return [], records
        head = self._log.head(records[0].partition)
        if records[0].offset >= head.next_offset or records[-1].offset < head.from_offset:
            return [], records
        ids = [_decision_id(record) for record in records]
        found = self._store.root_reader().rows_of([name for name in ids if name is not None])
        stored = {
            name: found[name]
            for name, record in zip(ids, records, strict=True)
            if name in found and _opens_as(self._keyring, found[name], record.value)
        }
        left = [record for name, record in zip(ids, records, strict=True) if name not in stored]
        return list(stored.values()), left

    def upsert(
        self,
        parts: Sequence[Covered],
        *,
        figures: Sequence[Figures],
        metrics: MetricsRows,
        keys: Sequence[KeyRow],
        canary: bytes | None,
    ) -> None:
        """Store the rows of ``parts``, and what covers them, in one transaction.

        Raises:
            StoreUnavailableError: Nothing was stored; a retry may succeed.
            EventError: A row can never be stored; none was.
        """
        # All writers use the same order, so that two with the same partitions cannot deadlock.
        parts = sorted((part for part in parts if part.rows), key=_partition)
        additions = [self._addition(part) for part in parts]

        try:
            self._store.upsert(
                [row for part in parts for row in part.rows],
                figures=figures,
                metrics=metrics,
                keys=[*keys, *(key for addition in additions for key in addition.keys)],
                canary=canary,
                beside=lambda connection: self._log.write(connection, *additions),
            )
        except BaseException:
            for part in parts:
                self._log.forget(_partition(part))  # whether it was committed is not known
            raise
        for addition in additions:
            self._log.stored(addition)
            self._unpublished_hours[addition.partition].update(addition.hours)

    def _addition(self, part: Covered) -> Addition:
        next_offset = part.batch[-1].offset + 1
        if part.repeats:  # what follows may have been stored too
            next_offset = max(next_offset, self._log.head(_partition(part)).next_offset)
        return self._log.addition(
            _partition(part), part.rows, from_offset=part.from_offset, next_offset=next_offset
        )

    def publish(
        self, batch: Sequence[SourceRecord], before: Sequence[SealedDecision], outputs: Outputs
    ) -> None:
        """Add the latest roots of the hours to which ``batch`` has added, and the head, to ``outputs``.

        Args:
            batch: Records of one partition, which are stored.
            before: What earlier transactions had stored of them.
            outputs: What is published.
        """
        if not batch:
            return
        partition = batch[0].partition
        hours = self._unpublished_hours.pop(partition, set())
        hours |= {hour_of(row.ended_at_ms) for row in before}
        if hours:
            roots, head = self._log.current(partition, hours)
            published = outputs.topic(VAULT_ROOTS.name)
            published.extend(_root_record(root, seal) for root, seal in roots)
            published.append(_head_record(*head))


def _partition(part: Covered) -> int:
    return part.batch[0].partition


def _decision_id(record: SourceRecord) -> str | None:
    try:
        return _decode(record.value or b"").decision_id
    except codec.UNDECODABLE:
        return None


def _opens_as(keyring: KeyRing, row: SealedDecision, value: bytes | None) -> bool:
    try:
        return value == open_bytes(keyring, row)
    except UnreadableError:
        return False


def _root_record(root: HourRoot, seal: bytes) -> Keyed:
    return b"%d/%d" % (root.partition, root.hour), codec.encode(root_event(root, seal))


def _head_record(head: Head, seal: bytes) -> Keyed:
    return b"%d" % head.partition, codec.encode(head_event(head, seal))
