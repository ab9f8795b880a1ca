"""Verifies a whole store, hour by hour, each hour as it was at one moment."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence

from gnomon.events import VaultHead, VaultRoot
from gnomon.operations.verifying.findings import Finding
from gnomon.operations.verifying.older import OlderRoots
from gnomon.operations.verifying.records import HourRecords
from gnomon.operations.verifying.scope import Scope
from gnomon.operations.verifying.sums import sums_of
from gnomon.operations.verifying.swaps import ChangedRows
from gnomon.operations.verifying.trees import TreeCheck
from gnomon.store import DecisionStore
from gnomon.vault.tamper import StatementSeal
from gnomon.vault.tamper.published import head_event, root_event


class StoreVerifier:
    """Finds what was changed in a store. Workers may write meanwhile.

    Args:
        store: The store.
        seal: Checks the seals of roots and heads.
        older: Roots that were published or kept before; they must be read before ``findings``.
        scope: What is verified.
        progress: Called with the number of hours done, of all hours, and of records.

    Attributes:
        records: Number of records compared so far.
        hours: Number of hours verified so far.
    """

    def __init__(
        self,
        store: DecisionStore,
        seal: StatementSeal,
        *,
        older: Sequence[OlderRoots] = (),
        scope: Scope,
        progress: Callable[[int, int, int], None] = lambda *_: None,
    ) -> None:
        self._reader, self._seal = store.root_reader(), seal
        self._older, self._scope, self._progress = older, scope, progress
        self._changed = ChangedRows()
        self.records = self.hours = 0

    def findings(self) -> Iterator[Finding]:
        """Yield every difference, by hour; the first changed and swapped rows at the end.

        Raises:
            StoreUnavailableError: The store does not answer.
        """
        with self._reader.moment() as connection:
            heads = self._reader.heads(connection)
            roots = [stored.root for stored in self._reader.newest_roots(connection)]
            rows = self._reader.rows_by_hour(connection)
        for older in self._older:
            yield from older.refused
        wanted = self._scope.partition
        yield from sums_of(heads, roots, older=self._older, seal=self._seal, partition=wanted)
        listed: defaultdict[int, int] = defaultdict(int)
        for root in roots:
            listed[root.hour] += root.records
        kept = (hour for older in self._older for _, hour in older.roots)
        every = sorted(filter(self._scope.has, {*listed, *rows, *kept}))
        for hour in every:
            yield from self._hour(hour, listed[hour])
            self.hours += 1
            self._progress(self.hours, len(every), self.records)
        yield from self._changed.findings()

    def _hour(self, hour: int, listed: int) -> Iterator[Finding]:
        with self._reader.moment() as connection:
            records = HourRecords(
                self._reader,
                connection,
                hour,
                changed=self._changed,
                partition=self._scope.partition,
            )
            checks: dict[int, TreeCheck] = {}
            for stored in self._reader.lists(connection, hour, self._scope.partition):
                partition = stored.root.partition
                if partition not in checks:
                    checks[partition] = self._check(partition, hour, records)
                yield from checks[partition].next(stored)
            for partition in self._gone(hour, checks):
                checks[partition] = self._check(partition, hour, records)
            for check in checks.values():
                yield from check.end()
            yield from records.findings(listed)
            self.records += records.checked

    def _check(self, partition: int, hour: int, records: HourRecords) -> TreeCheck:
        older = [
            (each.source, each.roots[partition, hour])
            for each in self._older
            if (partition, hour) in each.roots
        ]
        return TreeCheck(
            partition, hour, seal=self._seal, older=older, is_as_stored=records.are_as_listed
        )

    def _gone(self, hour: int, found: dict[int, TreeCheck]) -> set[int]:
        """Return the partitions that had a tree of this hour, according to older roots, and have none."""
        known = {of for older in self._older for of, at in older.roots if at == hour}
        return {of for of in known - found.keys() if self._scope.partition in {None, of}}


def roots_of(store: DecisionStore) -> Iterator[VaultRoot | VaultHead]:
    """Yield all heads and the newest root of each tree, as they are published.

    Raises:
        StoreUnavailableError: The store does not answer.
    """
    reader = store.root_reader()
    with reader.moment() as connection:
        for head in reader.heads(connection):
            yield head_event(head.head, head.seal)
        for stored in reader.newest_roots(connection):
            yield root_event(stored.root, stored.seal)
