"""Writes the trees in the transaction that stores the rows.

The row of a partition's head is replaced only if it is still as it was read, so that of two writers, such as
a worker that lost its partition and the one that has it now, one stores nothing.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final, NoReturn

from sqlalchemy import Connection, bindparam, select, update

from gnomon.errors import EventError, OvertakenError
from gnomon.events import SealedDecision
from gnomon.store.database import Database, insert_into
from gnomon.store.keys import put_missing
from gnomon.store.roots.addition import Addition
from gnomon.store.roots.known_trees import KnownTrees
from gnomon.store.roots.reading import every_row
from gnomon.store.roots.tables import HEADS, ROOTS
from gnomon.vault.tamper import Head, HourRoot, StatementSeal, hash_of_any, hour_of
from gnomon.vault.tamper.growing import Grown, rows_by_hour

COMMANDS: Final = -1
"""The partition of lists that no stage has written."""

ROWS_A_LIST: Final = 1_000
"""Most rows of a list that no stage has written."""


class RootLog:
    """The trees of all partitions, as one process writes them. For one thread a partition at a time.

    Args:
        database: Of the store.
        seal: Seals roots and heads.
    """

    def __init__(self, database: Database, seal: StatementSeal) -> None:
        self._database, self._seal = database, seal
        self._trees = KnownTrees(database, seal)
        self._replace_head = database.compiled(
            update(HEADS)
            .where(HEADS.c.partition == bindparam("of"), HEADS.c.lists == bindparam("lists_before"))
            .values({c.name: bindparam(c.name) for c in HEADS.c if not c.primary_key})
        )
        insert = insert_into(HEADS, database.dialect).on_conflict_do_nothing()
        self._first_head = database.compiled(insert)
        self._add = database.compiled(insert_into(ROOTS, database.dialect))
        self._seals: dict[int, Mapping[HourRoot | Head, bytes]] = {}
        """Of each partition's last addition that was committed."""

    def head(self, partition: int) -> Head:
        """Return the sums of a partition.

        Raises:
            StoreUnavailableError: The database does not answer, or its trees were changed.
        """
        return self._trees.of(partition).head

    def addition(
        self,
        partition: int,
        rows: Sequence[SealedDecision],
        *,
        from_offset: int = 0,
        next_offset: int = 0,
    ) -> Addition:
        """Return what to write together with ``rows``; nothing is stored yet.

        Args:
            partition: Of ``comparisons``, or -1.
            rows: What the transaction stores, in order.
            from_offset: Offset at which the batch began.
            next_offset: The offset after its last record.

        Raises:
            StoreUnavailableError: The database does not answer, or its trees were changed.
            EventError: A row can never be stored.
        """
        by_hour = rows_by_hour(rows)
        trees = self._trees.with_hours(partition, by_hour)
        try:
            grown = trees.with_rows(by_hour, from_offset=from_offset, next_offset=next_offset)
        except ValueError as error:
            raise EventError("store_refused", str(error)) from error
        return self._sealed(grown)

    def removal(self, removed: Sequence[SealedDecision]) -> Addition:
        """Return what to write in the transaction in which a command deletes records.

        Args:
            removed: The rows, as they are when they are deleted.

        Raises:
            StoreUnavailableError: The database does not answer, or its trees were changed.
        """
        hours = [(hour_of(row.ended_at_ms), row.decision_id, hash_of_any(row)) for row in removed]
        trees = self._trees.with_hours(COMMANDS, {hour for hour, _, _ in hours})
        return self._sealed(trees.with_removed(hours))

    def dropping(self, partition: int, hour: int) -> Addition:
        """Return what to write when retention removes all records of an hour.

        ``drop_lists`` belongs into the same transaction.

        Raises:
            StoreUnavailableError: The database does not answer, or its trees were changed.
        """
        return self._sealed(self._trees.with_hours(partition, [hour]).without_hour(hour))

    def write(self, connection: Connection, *additions: Addition) -> None:
        """Write additions, each of another partition, in the transaction of their rows, before them.

        Raises:
            OvertakenError: Somebody else has added to one of the partitions; nothing may be committed.
        """
        first = [each.head_row() for each in additions if each.grown.lists_before == 0]
        others = [
            {**each.head_row(), "of": each.partition, "lists_before": each.grown.lists_before}
            for each in additions
            if each.grown.lists_before > 0
        ]
        for statement, heads in ((self._first_head, first), (self._replace_head, others)):
            if heads and _execute(connection, statement, heads) != len(heads):
                self._overtaken(additions)
        rows = [row for each in additions for row in each.list_rows()]
        if rows:
            _execute(connection, self._add, rows)

    def stored(self, addition: Addition) -> None:
        """Remember that the transaction of ``addition`` was committed."""
        self._trees.keep(addition.grown.after)
        self._seals[addition.partition] = addition.seals()

    def forget(self, partition: int) -> None:
        """Read the trees of a partition again before the next addition."""
        self._trees.forget(partition)

    def forget_all(self) -> None:
        """Read the trees of every partition again before the next addition."""
        self._trees.forget_all()

    def current(
        self, partition: int, hours: Collection[int]
    ) -> tuple[list[tuple[HourRoot, bytes]], tuple[Head, bytes]]:
        """Return roots of hours, of which records are stored, and the head, with their seals."""
        trees = self._trees.with_hours(partition, hours)
        roots = [trees.hours[hour].root(partition, hour) for hour in sorted(hours)]
        *of_roots, of_head = self._seals_of(partition, [*roots, trees.head])
        return list(zip(roots, of_roots, strict=True)), (trees.head, of_head)

    def cover_all(self) -> int:
        """Add every stored decision to the trees in one transaction, unless there are trees already.

        Returns:
            The number of decisions that were added.

        Raises:
            StoreUnavailableError: The database does not answer; nothing was added.
        """
        self._seal.seal(Head(partition=COMMANDS))  # its key must be stored before the transaction
        covered = 0
        try:
            with self._database.begin() as connection:
                if connection.execute(select(HEADS.c.partition).limit(1)).first() is not None:
                    return 0
                for rows in every_row(connection, at_once=ROWS_A_LIST):
                    addition = self.addition(COMMANDS, rows, next_offset=1)
                    put_missing(connection, addition.keys)
                    self.write(connection, addition)
                    self.stored(addition)
                    covered += len(rows)
        except OvertakenError:  # another process has covered all of them in this moment
            return 0
        finally:
            self.forget(COMMANDS)
        return covered

    def _seals_of(self, partition: int, statements: Sequence[HourRoot | Head]) -> list[bytes]:
        known = self._seals.get(partition, {})
        return [known.get(each) or self._seal.seal(each) for each in statements]

    def _overtaken(self, additions: Sequence[Addition]) -> NoReturn:
        partitions = [each.partition for each in additions]
        for partition in partitions:
            self.forget(partition)
        named = ", ".join(map(str, partitions))
        raise OvertakenError(f"another process has stored decisions of partition {named} meanwhile")

    def _sealed(self, grown: Grown) -> Addition:
        seals = [self._seal.seal(root) for _, _, root in grown.added]
        head_seal = self._seal.seal(grown.after.head)
        return Addition(grown, seals, head_seal, self._seal.rows_of([*seals, head_seal]))


def _execute(connection: Connection, statement: str, rows: Sequence[dict[str, Any]]) -> int:
    """Execute a statement for each of ``rows``, and return how many rows of the table were changed.

    For a single row the driver needs no preparation for several, which would take longer than the statement.
    """
    return connection.exec_driver_sql(statement, [*rows] if len(rows) > 1 else rows[0]).rowcount


def listed_partitions(connection: Connection, hour: int) -> list[int]:
    """Return the partitions that have lists of records of an hour which were not dropped."""
    listed = (ROOTS.c.hour == hour, ROOTS.c.records > 0, ROOTS.c.hashes.is_not(None))
    query = select(ROOTS.c.partition).where(*listed).distinct().order_by(ROOTS.c.partition)
    return list(connection.execute(query).scalars())


def drop_lists(connection: Connection, hour: int, partition: int) -> None:
    """Remove the lists of a dropped hour; leaves, roots and seals stay."""
    of_hour = (ROOTS.c.hour == hour, ROOTS.c.partition == partition, ROOTS.c.records > 0)
    connection.execute(update(ROOTS).where(*of_hour).values(hashes=None, ids=None))
