"""Compares the topic ``decisions`` with the store and its lists."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple

from gnomon import codec
from gnomon.connection import KafkaConnection
from gnomon.events import SealedDecision
from gnomon.operations.verifying.findings import Finding
from gnomon.operations.verifying.scope import Scope
from gnomon.records import SourceRecord
from gnomon.runtime.kafka.reading import read_topic
from gnomon.store import DecisionStore
from gnomon.store.roots import IDS_AT_ONCE
from gnomon.vault.tamper import hash_of_any, hour_of

_MOST_KEPT: Final = 20_000
"""Most records that are kept in memory because they differ from their row."""


class _Differs(NamedTuple):
    """A record that is not as its row, or has none."""

    decision_id: str
    hashed: bytes
    where: str
    partition: int


class PublishedDecisions:
    """Finds records of the topic that gnomon has not stored.

    A record is right if it is as its row. It is also right if a list of its hour has it: the row was sealed
    anew since, or deleted by a command.

    Args:
        store: The store, which should be verified too.
        topic: Full name of the topic, for messages.
        scope: Which partition and hours are compared.

    Attributes:
        records: Number of records compared so far.
    """

    def __init__(self, store: DecisionStore, topic: str, scope: Scope) -> None:
        self._reader, self._topic, self._scope = store.root_reader(), topic, scope
        self._different: defaultdict[int, list[_Differs]] = defaultdict(list)
        self.records = 0

    def compare(self, records: Sequence[SourceRecord]) -> Iterator[Finding]:
        """Yield those of ``records`` that are no decision, and keep those that differ from their row.

        Raises:
            StoreUnavailableError: The store does not answer.
        """
        decoded: list[tuple[SealedDecision, SourceRecord]] = []
        for record in records:
            if self._scope.partition in {None, record.partition}:
                try:
                    decoded.append((codec.decode_sealed_decision(record.value or b""), record))
                except codec.UNDECODABLE:
                    yield self._altered(f"{_where(record)}: no decision", record.partition)
        rows = self._reader.rows_of([sealed.decision_id for sealed, _ in decoded])
        for sealed, record in decoded:
            hour = hour_of(sealed.ended_at_ms)
            if not self._scope.has(hour):
                continue
            self.records += 1
            row = rows.get(sealed.decision_id)
            if row != sealed:
                differs = _Differs(
                    sealed.decision_id, hash_of_any(sealed), _where(record), record.partition
                )
                self._different[hour].append(differs)
        if sum(map(len, self._different.values())) >= _MOST_KEPT:
            yield from self.end()

    def end(self) -> Iterator[Finding]:
        """Yield those that were kept and that no list has.

        Raises:
            StoreUnavailableError: The store does not answer.
        """
        for hour, different in self._different.items():
            known, dropped = self._listed(hour, {each.decision_id for each in different})
            for each in different:
                if each.hashed in known[each.decision_id] or dropped:
                    continue
                detail = "with this content" if known[each.decision_id] else "at all"
                yield self._altered(
                    f"{each.where}: no list of the hour has it {detail}",
                    each.partition,
                    hour=hour,
                    decision_id=each.decision_id,
                )
        self._different.clear()

    def _listed(self, hour: int, wanted: set[str]) -> tuple[defaultdict[str, set[bytes]], bool]:
        """Return all hashes that lists have of ``wanted``, and whether retention has removed lists."""
        known: defaultdict[str, set[bytes]] = defaultdict(set)
        dropped = False
        with self._reader.moment() as connection:
            for stored in self._reader.lists(connection, hour):
                dropped |= stored.listed is None or stored.listed.drops
                try:
                    pairs = [] if stored.listed is None else stored.listed.pairs()
                except ValueError:  # the verification of the store tells it
                    continue
                for name, hashed in pairs:
                    if name in wanted:
                        known[name].add(hashed)
        return known, dropped

    def _altered(
        self,
        detail: str,
        partition: int,
        *,
        hour: int | None = None,
        decision_id: str | None = None,
    ) -> Finding:
        return Finding(
            kind="topic altered",
            detail=f"topic {self._topic}, {detail}",
            partition=partition,
            hour=hour,
            decision_id=decision_id,
        )


async def compare_topic(
    kafka: KafkaConnection,
    published: PublishedDecisions,
    topic: str,
    found: Callable[[Finding], None],
) -> None:
    """Compare all of a topic; calls ``found`` with each finding.

    Raises:
        BrokerUnavailableError: No broker answers.
        ConfigurationError: There is no such topic.
        StoreUnavailableError: The store does not answer.
    """
    part: list[SourceRecord] = []
    async for record in read_topic(kafka=kafka, topic=topic, follow=False):
        part.append(record)
        if len(part) == IDS_AT_ONCE:
            for finding in published.compare(part):
                found(finding)
            part.clear()
    for finding in (*published.compare(part), *published.end()):
        found(finding)


def _where(record: SourceRecord) -> str:
    return f"offset {record.offset}"
