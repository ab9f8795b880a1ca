"""How the trees of one partition grow: which lists, roots and head a batch of records leads to.

Nothing here is changed in place: a batch gives new trees, which take the place of the old ones once they
are stored.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from gnomon.events import SealedDecision
from gnomon.vault.tamper.lists import (
    RecordList,
    dropping,
    hour_of,
    packed_removal,
    packed_row_ids,
    record_hashes,
    same_hour,
)
from gnomon.vault.tamper.statements import Head, HourRoot
from gnomon.vault.tamper.tree import MerkleTree

HOURS_KEPT = 64
"""Most hours of one partition whose trees are kept in memory; others are loaded again when needed."""


class TreesAltered(ValueError):  # noqa: N818  it says what was found
    """What is stored of a tree does not belong together."""


@dataclass(frozen=True, slots=True)
class HourTree:
    """The tree of one hour: its leaves, how many records they have, and the hour begun before it."""

    tree: MerkleTree
    records: int = 0
    before: int | None = None

    @classmethod
    def loaded(cls, root: HourRoot, leaves: Iterable[bytes]) -> "HourTree":
        """Return the tree of stored leaf hashes.

        Raises:
            TreesAltered: ``root`` is another tree's.
        """
        tree = MerkleTree(leaves)
        if tree.size != root.lists or tree.root() != root.root:
            raise TreesAltered(f"partition {root.partition}, hour {root.hour}")
        return cls(tree, root.records, root.before)

    def root(self, partition: int, hour: int) -> HourRoot:
        """Return the statement of this tree."""
        return HourRoot(
            partition=partition,
            hour=hour,
            lists=self.tree.size,
            records=self.records,
            root=self.tree.root(),
            before=self.before,
        )


@dataclass(frozen=True, slots=True)
class Grown:
    """What one transaction adds.

    Attributes:
        added: Each list, its leaf hash, and the root of the hour with it.
        after: The trees with it.
        lists_before: Number of lists of the partition before it, by which a writer notices another.
    """

    added: Sequence[tuple[RecordList, bytes, HourRoot]]
    after: "PartitionTrees"
    lists_before: int


@dataclass(frozen=True, slots=True)
class PartitionTrees:
    """The trees of one partition: its sums, and those hours that are in memory."""

    head: Head
    hours: Mapping[int, HourTree] = field(default_factory=dict)

    def unknown_hours(self, hours: Iterable[int]) -> list[int]:
        """Return those of ``hours`` that must be loaded before they can grow."""
        return sorted(set(hours) - self.hours.keys())

    def with_hours(self, loaded: Mapping[int, HourTree]) -> "PartitionTrees":
        """Return the trees with more hours in memory, and with those that were used last."""
        hours = {**self.hours, **loaded}
        for hour in list(hours)[: max(0, len(hours) - max(HOURS_KEPT, len(loaded)))]:
            del hours[hour]
        return replace(self, hours=hours)

    def with_rows(
        self,
        by_hour: Mapping[int, Sequence[SealedDecision]],
        *,
        from_offset: int = 0,
        next_offset: int = 0,
    ) -> Grown:
        """Add rows in their order; all their hours must be in memory.

        Args:
            by_hour: What is stored, as ``rows_by_hour`` returns it.
            from_offset: Offset in ``comparisons`` at which the batch began.
            next_offset: The offset after its last record.

        Raises:
            ValueError: A row cannot be stored, because a field is out of bounds.
        """
        contents = {
            hour: (record_hashes(of_hour), packed_row_ids(of_hour))
            for hour, of_hour in by_hour.items()
        }
        head = replace(self.head, from_offset=from_offset, next_offset=next_offset)
        return self._grown(contents, head)

    def with_removed(self, removed: Iterable[tuple[int, str, bytes]]) -> Grown:
        """Say that a command removes records: of each the hour, its id and its hash.

        All these hours must be in memory.
        """
        by_hour: defaultdict[int, tuple[list[str], list[bytes]]] = defaultdict(lambda: ([], []))
        for hour, name, hashed in removed:
            by_hour[hour][0].append(name)
            by_hour[hour][1].append(hashed)
        contents = {
            hour: (b"".join(hashes), packed_removal(names))
            for hour, (names, hashes) in by_hour.items()
        }
        return self._grown(contents, self.head)

    def without_hour(self, hour: int) -> Grown:
        """Say that retention removes all records of an hour, which is in memory."""
        tree = self.hours[hour]
        said = dropping(
            partition=self.head.partition,
            hour=hour,
            number=tree.tree.size,
            position=tree.records,
        )
        return self._grown({hour: (b"", said.ids)}, self.head)

    def _grown(self, contents: Mapping[int, tuple[bytes, bytes]], head: Head) -> Grown:
        partition = head.partition
        added = []
        hours = dict(self.hours)
        for hour, (hashes, ids) in contents.items():
            known = hours.pop(hour)
            if known.tree.size == 0:
                known = replace(known, before=head.newest)
                head = replace(head, hours=head.hours + 1, newest=hour)
            listed = RecordList(
                partition=partition,
                hour=hour,
                number=known.tree.size,
                position=known.records,
                hashes=hashes,
                ids=ids,
            )
            leaf, tree = listed.leaf(), known.tree.copy()
            tree.append(leaf)
            hours[hour] = replace(known, tree=tree, records=known.records + listed.records)
            head = replace(head, lists=head.lists + 1, records=head.records + listed.records)
            added.append((listed, leaf, hours[hour].root(partition, hour)))
        after = PartitionTrees(head, hours)
        return Grown(added, after.with_hours({}), self.head.lists)


def rows_by_hour(
    rows: Sequence[SealedDecision],
) -> Mapping[int, Sequence[SealedDecision]]:
    """Return rows by the hour of their end, in their order."""
    if (hour := same_hour(rows)) is not None:  # nearly always
        return {hour: rows}
    by_hour: defaultdict[int, list[SealedDecision]] = defaultdict(list)
    for row in rows:
        by_hour[hour_of(row.ended_at_ms)].append(row)
    return by_hour


def empty_trees(partition: int) -> PartitionTrees:
    """Return the trees of a partition of which nothing is stored yet."""
    return PartitionTrees(Head(partition=partition))
