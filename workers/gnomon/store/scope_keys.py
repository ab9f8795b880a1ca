"""The table of wrapped scope keys, in the store or in a database of its own."""

from collections.abc import Collection, Sequence
from dataclasses import asdict, replace
from typing import Final

from sqlalchemy import Connection, func, select, update
from sqlalchemy.schema import CreateIndex, CreateTable

from gnomon.errors import EventError
from gnomon.store.database import Database, insert_into
from gnomon.store.schema import SCOPE_KEYS
from gnomon.vault.keys import ACTIVE, SHREDDED
from gnomon.vault.scopes import RETIRED, ScopeKeyRow
from gnomon.vault.wrapping import Wrapped

_C: Final = SCOPE_KEYS.c


class ScopeKeyTable:
    """The table ``gnomon_scope_keys``; implements ``gnomon.vault.ScopeKeyRows``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @property
    def name(self) -> str:
        """The database without user and password."""
        return self._database.name

    def create(self) -> None:
        """Create the table where it is missing, in a database that is not the store.

        Several processes may do so at once.
        """
        if self._database.path is not None:
            self._database.make_file()
        if self._exists():
            return
        try:
            with self._database.begin() as connection:
                connection.execute(CreateTable(SCOPE_KEYS, if_not_exists=True))
                for index in SCOPE_KEYS.indexes:
                    connection.execute(CreateIndex(index, if_not_exists=True))
        except EventError:  # PostgreSQL's IF NOT EXISTS is none against a process that was faster
            if not self._exists():
                raise

    def _exists(self) -> bool:
        with self._database.begin() as connection:
            return connection.dialect.has_table(connection, SCOPE_KEYS.name)

    def newest(self, scope: str) -> ScopeKeyRow | None:
        """Return the row with the highest generation of ``scope``, or ``None``."""
        of_scope = select(SCOPE_KEYS).where(_C.scope == scope)
        with self._database.begin() as connection:
            newest = connection.execute(of_scope.order_by(_C.generation.desc()).limit(1))
            found = newest.mappings().one_or_none()
        return ScopeKeyRow(**found) if found is not None else None

    def find(self, key_id: str) -> ScopeKeyRow | None:
        """Return one row, or ``None``."""
        with self._database.begin() as connection:
            one = connection.execute(select(SCOPE_KEYS).where(_C.id == key_id))
            found = one.mappings().one_or_none()
        return ScopeKeyRow(**found) if found is not None else None

    def all(self, scope: str | None = None) -> list[ScopeKeyRow]:
        """Return the rows of ``scope``, or of every scope, in their order."""
        wanted = select(SCOPE_KEYS).order_by(_C.scope, _C.generation)
        if scope is not None:
            wanted = wanted.where(_C.scope == scope)
        with self._database.begin() as connection:
            return [ScopeKeyRow(**row) for row in connection.execute(wanted).mappings()]

    def add(self, row: ScopeKeyRow) -> bool:
        """Store a new row and retire those before it; return whether it was stored."""
        insert = insert_into(SCOPE_KEYS, self._database.dialect).on_conflict_do_nothing()
        with self._database.begin() as connection:
            # The number of rows that an INSERT reports is not the same in both drivers.
            made = connection.execute(insert.returning(_C.id), asdict(row)).scalar_one_or_none()
            if made is None:
                return False
            _retire(connection, row)
        return True

    def keep(self, rows: Sequence[ScopeKeyRow]) -> Collection[str]:
        """Store those of ``rows`` that are missing; return the ids of those that were shredded."""
        if not rows:
            return ()
        with self._database.begin() as connection:
            states = _states(connection, rows)
            for row in rows:
                if row.id not in states:
                    _restore(connection, row)
        return [key_id for key_id, state in states.items() if state == SHREDDED]

    def shredded_among(self, key_ids: Collection[str]) -> frozenset[str]:
        """Return those of the keys that were shredded."""
        shredded = select(_C.id).where(_C.id.in_(key_ids), _C.state == SHREDDED)
        with self._database.begin() as connection:
            return frozenset(connection.execute(shredded).scalars())

    def rewrap(self, row: ScopeKeyRow, wrapped: Wrapped) -> bool:
        """Replace the wrapping of ``row`` unless it was changed meanwhile; return whether it was replaced."""
        changed = (
            update(SCOPE_KEYS)
            .where(_C.id == row.id, _C.state != SHREDDED, _C.kek_id == row.kek_id)
            .values(kek_id=wrapped.kek_id, wrapped=wrapped.blob)
        )
        with self._database.begin() as connection:
            return connection.execute(changed).rowcount == 1

    def shred(self, scope: str) -> int:
        """Destroy every key of ``scope`` for good; return how many there were."""
        destroyed = (
            update(SCOPE_KEYS)
            .where(_C.scope == scope, _C.state != SHREDDED)
            .values(state=SHREDDED, wrapped=b"")
        )
        with self._database.begin() as connection:
            self._database.overwrite_deleted(connection)
            count = connection.execute(destroyed).rowcount
        self._database.erase_old_versions(SCOPE_KEYS)
        return count


def _states(connection: Connection, rows: Sequence[ScopeKeyRow]) -> dict[str, str]:
    wanted = select(_C.id, _C.state).where(_C.id.in_([row.id for row in rows]))
    return {row.id: row.state for row in connection.execute(wanted)}


def _restore(connection: Connection, row: ScopeKeyRow) -> None:
    """Store a row as the newest: a row of its generation may have been made since the backup."""
    last = select(func.max(_C.generation)).where(_C.scope == row.scope)
    generation = max(row.generation, (connection.execute(last).scalar_one() or 0) + 1)
    insert = insert_into(SCOPE_KEYS, connection.dialect.name).on_conflict_do_nothing()
    connection.execute(insert, asdict(replace(row, generation=generation)))


def _retire(connection: Connection, row: ScopeKeyRow) -> None:
    older = (_C.scope == row.scope, _C.generation < row.generation, _C.state == ACTIVE)
    connection.execute(update(SCOPE_KEYS).where(*older).values(state=RETIRED))


class LayeredScopeKeys:
    """Scope keys of two places: new ones go to the first, both are read.

    A store whose scope keys were in the store itself, and are in a database of their own from now on.
    """

    def __init__(self, first: ScopeKeyTable, then: ScopeKeyTable) -> None:
        self._first, self._then = first, then

    @property
    def tables(self) -> Sequence[ScopeKeyTable]:
        """Both places, the one for new keys first."""
        return self._first, self._then

    def newest(self, scope: str) -> ScopeKeyRow | None:
        """Return the newest row of the place for new keys, so that they are made there from now on."""
        return self._first.newest(scope)

    def find(self, key_id: str) -> ScopeKeyRow | None:
        """Return one row, or ``None``."""
        return self._first.find(key_id) or self._then.find(key_id)

    def add(self, row: ScopeKeyRow) -> bool:
        """Store a new row in the first place."""
        return self._first.add(row)

    def keep(self, rows: Sequence[ScopeKeyRow]) -> Collection[str]:
        """Store those that are missing in the first place; return the ids of those that were shredded."""
        return self._first.keep(rows)

    def shredded_among(self, key_ids: Collection[str]) -> frozenset[str]:
        """Return those of the keys that were shredded in either place."""
        return self._first.shredded_among(key_ids) | self._then.shredded_among(key_ids)
