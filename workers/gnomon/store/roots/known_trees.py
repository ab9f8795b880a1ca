"""The trees of all partitions as one process knows them: read once, checked, and kept between transactions."""

from collections.abc import Iterable
from typing import Final

from sqlalchemy import select

from gnomon.errors import StoreRefusedError
from gnomon.store.database import Database
from gnomon.store.roots.reading import StoredHead, bare_rows, stored_head
from gnomon.store.roots.tables import HEADS
from gnomon.vault.tamper import (
    HourTree,
    MerkleTree,
    PartitionTrees,
    StatementSeal,
    TreesAltered,
    empty_trees,
)

_LOOK: Final = "gnomon vault verify says what was changed; restore it from a backup"


class KnownTrees:
    """Reads heads and hours when they are asked for. For one thread a partition at a time.

    Every method that returns trees raises ``StoreUnavailableError`` if the database does not answer, and
    ``StoreRefusedError`` if its trees were changed.

    Args:
        database: Of the store.
        seal: Opens the seals of roots and heads.
    """

    def __init__(self, database: Database, seal: StatementSeal) -> None:
        self._database, self._seal = database, seal
        self._trees: dict[int, PartitionTrees] = {}

    def of(self, partition: int) -> PartitionTrees:
        """Return the trees of a partition, with those hours that were asked for so far."""
        trees = self._trees.get(partition)
        if trees is None:
            trees = self._trees[partition] = self._load(partition)
        return trees

    def with_hours(self, partition: int, hours: Iterable[int]) -> PartitionTrees:
        """Return the trees of a partition, with ``hours`` in memory."""
        trees = self.of(partition)
        unknown = trees.unknown_hours(hours)
        if not unknown:
            return trees
        return trees.with_hours({hour: self._loaded(partition, hour) for hour in unknown})

    def keep(self, trees: PartitionTrees) -> None:
        """Remember trees that were committed."""
        self._trees[trees.head.partition] = trees

    def forget(self, partition: int) -> None:
        """Read a partition again when it is asked for next."""
        self._trees.pop(partition, None)

    def forget_all(self) -> None:
        """Read every partition again when it is asked for next."""
        self._trees.clear()

    def _load(self, partition: int) -> PartitionTrees:
        with self._database.begin() as connection:
            row = connection.execute(
                select(HEADS).where(HEADS.c.partition == partition)
            ).one_or_none()
        if row is None:
            return empty_trees(partition)
        found: StoredHead = stored_head(row)
        if refused := self._seal.refusal(found.head, found.seal):
            raise StoreRefusedError(
                f"the head of partition {partition} in {self._database.name} is not as gnomon sealed it"
                f" ({refused}): {_LOOK}"
            )
        return PartitionTrees(found.head)

    def _loaded(self, partition: int, hour: int) -> HourTree:
        with self._database.begin() as connection:
            rows = bare_rows(connection, partition, hour)
        if not rows:
            return HourTree(MerkleTree())
        last = rows[-1]
        refused = self._seal.refusal(last.root, last.seal)
        try:
            tree = HourTree.loaded(last.root, [row.leaf for row in rows])
        except TreesAltered as error:
            refused = f"another root than its leaves: {error}"
        if refused:
            raise StoreRefusedError(
                f"the root of partition {partition}, hour {hour} in {self._database.name} is not as"
                f" gnomon sealed it ({refused}): {_LOOK}"
            )
        return tree
