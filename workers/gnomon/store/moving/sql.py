"""An SQL store as a source or a target of copies."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Final

from sqlalchemy import Connection, Table, select, tuple_

from gnomon.events import SealedDecision
from gnomon.store.chosen import Chosen, narrowed
from gnomon.store.database import Database, insert_into
from gnomon.store.decisions import DecisionStore
from gnomon.store.figures import Figures
from gnomon.store.figures.of_decision import Row
from gnomon.store.figures.tables import PREDICTIONS, TASKS
from gnomon.store.meta import CANARY, INDEX_KEY
from gnomon.store.moving.ports import KeyRows, Part
from gnomon.store.roots import CommandRoots
from gnomon.store.schema import DECISIONS, KEYS, META, SCOPE_KEYS

PART_ROWS: Final = 2_000
_COLUMNS: Final = tuple(DECISIONS.c[name] for name in SealedDecision.__struct_fields__)
_ORDER: Final = (DECISIONS.c.ended_at_ms, DECISIONS.c.decision_id)
_KEY_TABLES: Final = (KEYS, SCOPE_KEYS)


class SqlStore:
    """Implements ``SealedStore`` for SQLite and PostgreSQL.

    Args:
        store: The store, whose tables exist.
        part_rows: Most decisions of a part.
        roots: Covers what is written. Without, a verification takes it for added by somebody else.
    """

    def __init__(
        self,
        store: DecisionStore,
        *,
        part_rows: int = PART_ROWS,
        roots: CommandRoots | None = None,
    ) -> None:
        self._store, self._part_rows, self._roots = store, part_rows, roots
        self._database: Database = store.database
        self.name = store.name

    def count(self, chosen: Chosen) -> int:
        """Return the number of decisions."""
        return self._store.count(chosen)

    def parts(self, chosen: Chosen) -> Iterator[Part]:
        """Yield decisions in the order of their ends and ids; each part in a transaction of its own."""
        every = narrowed(select(*_COLUMNS), chosen).order_by(*_ORDER).limit(self._part_rows)
        query = every
        while True:
            with self._database.begin() as connection:
                found = connection.execute(query).mappings()
                decisions = [SealedDecision(**row) for row in found]
                figures = _figures_of(connection, decisions)
            if decisions:
                yield Part(decisions, figures)
            if len(decisions) < self._part_rows:
                return
            last = decisions[-1]
            query = every.where(tuple_(*_ORDER) > (last.ended_at_ms, last.decision_id))

    def keys(self) -> KeyRows:
        """Return all wrapped keys, the canary, and which keys hash."""
        named = META.c.name.like(f"{INDEX_KEY}%") | (META.c.name == CANARY)
        with self._database.begin() as connection:
            return {
                table.name: [dict(row) for row in connection.execute(query).mappings()]
                for table, query in (
                    *((table, select(table)) for table in _KEY_TABLES),
                    (META, select(META).where(named)),
                )
            }

    def write_keys(self, keys: KeyRows) -> None:
        """Store those rows that are missing; a canary or a hashing key that is there stays."""
        with self._database.begin() as connection:
            for table in (*_KEY_TABLES, META):
                insert = insert_into(table, self._database.dialect).on_conflict_do_nothing()
                for row in keys.get(table.name, ()):
                    connection.execute(insert, dict(row))

    def write(self, part: Part) -> None:
        """Store a part in one transaction. Numbers of what was shredded since do not come back."""
        gone = self._store.keys.shredded_among({each.key_id for each in part.decisions})
        ids = {each.decision_id for each in part.decisions if each.key_id in gone}
        figures = [each for each in part.figures if each.task[1] not in ids]
        upsert = partial(self._store.upsert, part.decisions, figures=figures)
        if self._roots is None:
            upsert()
        else:
            self._roots.add(part.decisions, lambda keys, beside: upsert(keys=keys, beside=beside))

    def finish(self, *, reason: str) -> None:
        """Nothing is left to do: every part was committed."""

    def close(self) -> None:
        """Close the connections."""
        self._store.close()


def _figures_of(connection: Connection, decisions: Sequence[SealedDecision]) -> list[Figures]:
    """Return the numbers of ``decisions``, which are in the order of their ends."""
    if not decisions:
        return []
    wanted = {decision.decision_id for decision in decisions}

    def rows(table: Table) -> Iterator[Row]:
        of_these = table.c.ended_at_ms.between(decisions[0].ended_at_ms, decisions[-1].ended_at_ms)
        for row in connection.execute(select(table).where(of_these)):
            if row.decision_id in wanted:
                yield tuple(row)

    predictions: dict[object, list[Row]] = {}
    for row in rows(PREDICTIONS):
        predictions.setdefault(row[1], []).append(row)
    return [Figures(row, predictions.get(row[1], [])) for row in rows(TASKS)]
