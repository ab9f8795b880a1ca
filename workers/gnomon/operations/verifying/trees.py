"""Verifies the tree of one partition and hour: its lists, their seals, and roots that were kept earlier."""

from collections.abc import Callable, Iterator, Sequence

from gnomon.operations.verifying.findings import Finding, Kind
from gnomon.store.roots import StoredList
from gnomon.vault.tamper import HourRoot, MerkleTree, RecordList, StatementSeal


class TreeCheck:
    """Rebuilds one tree, list by list.

    Args:
        partition: Whose tree.
        hour: Of the records' ends, in hours since 1970.
        seal: Checks the seals.
        older: Roots of this tree that were kept earlier, each with its source.
        is_as_stored: Returns whether every record of a list is in the store as the list has it.
    """

    def __init__(
        self,
        partition: int,
        hour: int,
        *,
        seal: StatementSeal,
        older: Sequence[tuple[str, HourRoot]],
        is_as_stored: Callable[[RecordList], bool],
    ) -> None:
        self._partition, self._hour, self._seal = partition, hour, seal
        self._is_as_stored = is_as_stored
        self._older = sorted(older, key=lambda each: each[1].lists)
        self._tree = MerkleTree()
        self._records = 0
        self._broken = False
        self._without: list[StoredList] = []

    def next(self, stored: StoredList) -> Iterator[Finding]:
        """Add the next list; yield what is wrong with it."""
        number = stored.root.lists - 1
        if number != self._tree.size or stored.position != self._records:
            yield self._finding(
                "list missing",
                f"after {self._records} records comes list {number} at record {stored.position},"
                f" not list {self._tree.size}: what was between them was removed",
            )
            self._broken = True
        self._records = stored.root.records
        if refused := self._seal.refusal(stored.root, stored.seal):
            yield self._finding(
                "root replaced", f"the root of list {number} is not as gnomon sealed it ({refused})"
            )
        yield from self._append(stored, number)
        yield from self._consistent()

    def _append(self, stored: StoredList, number: int) -> Iterator[Finding]:
        listed = stored.listed
        leaf = stored.leaf if listed is None else listed.leaf()
        tree = self._with(leaf)
        if not self._broken and tree.root() != stored.root.root and leaf != stored.leaf:
            tree = self._with(stored.leaf)
            if tree.root() == stored.root.root:
                yield self._altered(stored, listed)
        if not self._broken and tree.root() != stored.root.root:
            self._broken = True
            yield self._finding(
                "list altered",
                f"list {number} ({_span(stored)}) and its leaf do not lead to the root of that list",
            )
        self._tree = tree
        if listed is None:
            self._without.append(stored)
        elif listed.drops:
            self._without.clear()

    def _altered(self, stored: StoredList, listed: RecordList | None) -> Finding:
        """Return what was done to a list whose own leaf and root are as they were sealed."""
        counted = stored.root.records - stored.position
        if listed is not None and listed.records == counted and self._is_as_stored(listed):
            return self._finding(
                "reordered", f"{_span(stored)} are as they were stored, and listed in another order"
            )
        number = stored.root.lists - 1
        return self._finding(
            "list altered", f"list {number} ({_span(stored)}) is not the list that was sealed"
        )

    def _with(self, leaf: bytes) -> MerkleTree:
        tree = self._tree.copy()
        tree.append(leaf)
        return tree

    def _consistent(self) -> Iterator[Finding]:
        while self._older and self._older[0][1].lists == self._tree.size:
            source, root = self._older.pop(0)
            if root.root != self._tree.root() or root.records != self._records:
                yield self._finding(
                    "rewritten",
                    f"the first {root.records} records had root {root.root.hex()} according to {source},"
                    f" and have {self._tree.root().hex()}",
                )

    def end(self) -> Iterator[Finding]:
        """Yield what is wrong with the tree as a whole, after its last list."""
        for source, root in self._older:
            yield self._finding(
                "rolled back" if self._tree.size else "hour removed",
                f"{source} has a root of {root.records} records, the store of {self._records}",
            )
        for stored in self._without:
            yield self._finding(
                "list missing", f"the list of {_span(stored)} was removed, and not by retention"
            )

    def _finding(self, kind: Kind, detail: str) -> Finding:
        return Finding(kind=kind, detail=detail, partition=self._partition, hour=self._hour)


def _span(stored: StoredList) -> str:
    return f"records {stored.position + 1} to {stored.root.records} of the hour"
