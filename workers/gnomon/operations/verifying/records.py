"""Compares the rows of one hour with the lists that cover them, a part of the ids at a time."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

from sqlalchemy import Connection

from gnomon.events import SealedDecision
from gnomon.operations.verifying.findings import Finding, utc_hour
from gnomon.operations.verifying.swaps import ChangedRows
from gnomon.store.roots import COMMANDS, IDS_AT_ONCE, RootReader, StoredList
from gnomon.vault.tamper import RecordList, hash_of_any, hour_of

IDS_IN_MEMORY = 200_000
"""About how many ids are compared at once; lists of an hour with more are read several times."""


class _Listed:
    """The newest hash of each record that is in lists, by partition, and what commands have removed."""

    def __init__(self) -> None:
        self.newest: dict[str, tuple[int, bytes]] = {}
        self._elsewhere: defaultdict[str, set[bytes]] = defaultdict(set)
        self._removed: defaultdict[str, set[bytes]] = defaultdict(set)

    def add(self, partition: int, name: str, expected: bytes) -> None:
        """Add a record of a list; lists come by partition and in order, those of commands first."""
        before = self.newest.get(name)
        if before is not None and before[0] != partition:
            self._elsewhere[name].add(before[1])
        self.newest[name] = partition, expected
        if partition == COMMANDS and name in self._removed:
            self._removed[name].discard(expected)

    def remove(self, name: str, removed: bytes) -> None:
        """Note that a command has removed a record with this hash."""
        self._removed[name].add(removed)
        if self.newest.get(name) == (COMMANDS, removed):
            del self.newest[name]

    def drop(self, partition: int) -> None:
        """Forget the records that retention has removed."""
        for name in [name for name, (of, _) in self.newest.items() if of == partition]:
            del self.newest[name]
        if partition == COMMANDS:
            self._removed.clear()

    def is_as_listed(self, name: str, found: bytes | None) -> bool:
        """Return whether a record has the newest hash of some partition, or was removed.

        Args:
            name: Its id, which is in a list.
            found: Its hash; ``None`` if there is no row.
        """
        expected = {self.newest[name][1], *self._elsewhere.get(name, ())}
        expected -= self._removed.get(name, set())
        return found in expected if found is not None else not expected

    def is_back(self, name: str, found: bytes) -> bool:
        """Return whether a command has removed a record with this hash, and none has stored it since."""
        return found in self._removed.get(name, ())


class HourRecords:
    """The records of one hour, in all partitions.

    Args:
        reader: Reads the store.
        connection: In the transaction that reads the whole hour.
        hour: Hours since 1970.
        changed: Takes the rows that were changed.
        partition: Only records of this partition, and rows that are in no list; ``None`` for all.

    Attributes:
        checked: Number of records that were compared with their rows.
    """

    def __init__(
        self,
        reader: RootReader,
        connection: Connection,
        hour: int,
        *,
        changed: ChangedRows,
        partition: int | None = None,
    ) -> None:
        self._reader, self._connection, self._hour = reader, connection, hour
        self._changed, self._partition = changed, partition
        self.checked = 0

    def findings(self, listed_records: int) -> Iterator[Finding]:
        """Yield the records that are not as their newest list has them, and rows that are in no list.

        Args:
            listed_records: About how many records the lists of the hour have.
        """
        parts = listed_records // IDS_IN_MEMORY + 1
        for part in range(parts):
            wanted = partial(_is_in, part, parts)
            listed = self._listed(self._hour, wanted)
            yield from self._different(listed)
            for name in self._reader.ids_of_hour(self._connection, self._hour):
                if wanted(name) and name not in listed.newest:
                    yield self._added(name)

    def are_as_listed(self, listed: RecordList) -> bool:
        """Return whether every record of one list is stored as the list has it."""
        try:
            pairs = listed.pairs()
        except ValueError:
            return False
        if listed.removes:
            return False
        for at in range(0, len(pairs), IDS_AT_ONCE):
            part = pairs[at : at + IDS_AT_ONCE]
            rows = self._reader.rows(self._connection, [name for name, _ in part])
            if any(name not in rows or hash_of_any(rows[name]) != hashed for name, hashed in part):
                return False
        return True

    def _listed(self, hour: int, wanted: Callable[[str], bool]) -> _Listed:
        listed = _Listed()
        for stored in self._reader.lists(self._connection, hour):
            partition = stored.root.partition
            if stored.listed is not None and stored.listed.drops:
                listed.drop(partition)
            removes = stored.listed is not None and stored.listed.removes
            for name, expected in _pairs(stored):
                if wanted(name) and removes:
                    listed.remove(name, expected)
                elif wanted(name):
                    listed.add(partition, name, expected)
        return listed

    def _different(self, listed: _Listed) -> Iterator[Finding]:
        names = [
            name
            for name, (partition, _) in listed.newest.items()
            if self._partition in {None, partition}
        ]
        self.checked += len(names)
        for at in range(0, len(names), IDS_AT_ONCE):
            part = names[at : at + IDS_AT_ONCE]
            rows = self._reader.rows(self._connection, part)
            wrong = [
                name
                for name in part
                if not listed.is_as_listed(name, hash_of_any(rows[name]) if name in rows else None)
            ]
            if wrong:
                yield from self._wrong(wrong, rows, listed)

    def _wrong(
        self, names: Sequence[str], rows: Mapping[str, SealedDecision], listed: _Listed
    ) -> Iterator[Finding]:
        again = self._stored_again(names, rows)
        names = [name for name in names if name not in again]
        for name in names:
            partition, expected = listed.newest[name]
            if name in rows and listed.is_back(name, hash_of_any(rows[name])):
                yield self._added(name)
                continue
            yield from self._finding(name, partition, rows.get(name), expected)

    def _stored_again(self, names: Sequence[str], rows: Mapping[str, SealedDecision]) -> set[str]:
        """Return those whose row is as a list of another hour has it: they were stored with another end."""
        by_hour: defaultdict[int, set[str]] = defaultdict(set)
        for name in names:
            if name in rows and (hour := hour_of(rows[name].ended_at_ms)) != self._hour:
                by_hour[hour].add(name)
        again = set()
        for hour, moved in by_hour.items():
            there = self._listed(hour, moved.__contains__)
            again |= {
                name
                for name in moved
                if name in there.newest and there.is_as_listed(name, hash_of_any(rows[name]))
            }
        return again

    def _added(self, name: str) -> Finding:
        return Finding(
            kind="added",
            detail="no list of this hour has it, or a command has removed it: gnomon did not store this row",
            hour=self._hour,
            decision_id=name,
        )

    def _finding(
        self, name: str, partition: int, row: SealedDecision | None, expected: bytes
    ) -> Iterator[Finding]:
        where = partial(Finding, partition=partition, hour=self._hour, decision_id=name)
        if row is None:
            yield where(kind="missing", detail="the row is gone")
            return
        found = hour_of(row.ended_at_ms)
        moved = f"; it now says that it ended in {utc_hour(found)}" if found != self._hour else ""
        detail = f"the row is not as it was stored{moved}"
        yield from self._changed.add(where(kind="changed", detail=detail), row, expected)


def _is_in(part: int, parts: int, name: str) -> bool:
    return hash(name) % parts == part


def _pairs(stored: StoredList) -> list[tuple[str, bytes]]:
    try:
        return [] if stored.listed is None else stored.listed.pairs()
    except ValueError:
        return []  # its leaf does not fit either, which the check of the tree says
