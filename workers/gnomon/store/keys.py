"""Tables of wrapped keys and of the canary, in the same database as the sealed records."""

from collections.abc import Collection, Sequence
from dataclasses import asdict
from typing import Final

from sqlalchemy import Connection, exists, func, select, update

from gnomon.errors import KeyDestroyedError, KeyUnavailableError
from gnomon.store import meta
from gnomon.store.database import Database, insert_into
from gnomon.store.schema import DECISIONS, KEYS
from gnomon.store.scope_keys import ScopeKeyTable
from gnomon.vault import KeyRow
from gnomon.vault.keys import SHREDDED

_C: Final = KEYS.c


class KeyTable:
    """The table ``gnomon_keys``; implements ``gnomon.vault.KeyRows``.

    Attributes:
        scopes: The scope keys in the same database.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self.scopes = ScopeKeyTable(database)

    def put(self, row: KeyRow) -> None:
        """Store a new row; it is on disk when this returns."""
        with self._database.begin() as connection:
            connection.execute(KEYS.insert(), asdict(row))

    def get(self, kid: str) -> KeyRow | None:
        """Return the row of one key, or ``None``."""
        with self._database.begin() as connection:
            one = connection.execute(select(KEYS).where(_C.kid == kid))
            found = one.mappings().one_or_none()
        return KeyRow(**found) if found is not None else None

    def all(self, scope: str | None = None) -> list[KeyRow]:
        """Return the rows of ``scope``, or of every scope, oldest first."""
        wanted = select(KEYS).order_by(_C.created_at_ms, _C.kid)
        if scope is not None:
            wanted = wanted.where(_C.scope == scope)
        with self._database.begin() as connection:
            return [KeyRow(**row) for row in connection.execute(wanted).mappings()]

    def shredded_among(self, key_ids: Collection[str]) -> frozenset[str]:
        """Return those of the keys that were shredded."""
        shredded = select(_C.kid).where(_C.kid.in_(key_ids), _C.state == SHREDDED)
        with self._database.begin() as connection:
            return frozenset(connection.execute(shredded).scalars())

    def count(self) -> int:
        """Return the number of keys."""
        with self._database.begin() as connection:
            return connection.execute(select(func.count()).select_from(KEYS)).scalar_one()

    def sealed_by(self) -> dict[str, int]:
        """Return how many decisions each key has sealed. This reads every row."""
        by_key = select(DECISIONS.c.key_id, func.count()).group_by(DECISIONS.c.key_id)
        with self._database.begin() as connection:
            return dict(connection.execute(by_key).all())

    def sealed_by_lost(self) -> list[tuple[str, str, int]]:
        """Return id, scope and number of decisions of each key that sealed some and has no row. This reads every row."""
        known = exists().where(_C.kid == DECISIONS.c.key_id)
        by_key = (
            select(DECISIONS.c.key_id, DECISIONS.c.scope, func.count())
            .where(~known)
            .group_by(DECISIONS.c.key_id, DECISIONS.c.scope)
            .order_by(DECISIONS.c.scope, DECISIONS.c.key_id)
        )
        with self._database.begin() as connection:
            return [(kid, scope, count) for kid, scope, count in connection.execute(by_key)]

    def sealed_in(self, scope: str) -> int:
        """Return how many decisions of ``scope`` there are. This reads every row."""
        of_scope = select(func.count()).select_from(DECISIONS).where(DECISIONS.c.scope == scope)
        with self._database.begin() as connection:
            return connection.execute(of_scope).scalar_one()

    def rewrap(self, before: KeyRow, after: KeyRow) -> bool:
        """Replace the wrapping of a row unless it was changed meanwhile; return whether it was replaced."""
        changed = (
            update(KEYS)
            .where(_C.kid == before.kid, _C.kek_id == before.kek_id, _C.state == before.state)
            .values(kek_id=after.kek_id, wrapped=after.wrapped)
        )
        with self._database.begin() as connection:
            return connection.execute(changed).rowcount == 1

    def shred(self, scope: str) -> int:
        """Destroy every data key of ``scope`` for good; return how many there were."""
        destroyed = (
            update(KEYS)
            .where(_C.scope == scope, _C.state != SHREDDED)
            .values(state=SHREDDED, wrapped=b"")
        )
        with self._database.begin() as connection:
            self._database.overwrite_deleted(connection)
            count = connection.execute(destroyed).rowcount
        self._database.erase_old_versions(KEYS)
        return count


class CanaryRow:
    """The sealed canary in the table ``gnomon_meta``; implements ``gnomon.vault.Canary``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def replace(self, sealed: bytes) -> None:
        """Store ``sealed`` in place of the canary."""
        with self._database.begin() as connection:
            meta.put(connection, meta.CANARY, sealed)

    def get(self) -> bytes | None:
        """Return the sealed canary, or ``None`` if the store was never used."""
        with self._database.begin() as connection:
            return meta.read_value(connection, meta.CANARY)

    def put_if_absent(self, sealed: bytes) -> bytes:
        """Store ``sealed`` unless there is a canary; return the one that is stored."""
        with self._database.begin() as connection:
            meta.put_if_absent(connection, meta.CANARY, sealed)
            return meta.read_value(connection, meta.CANARY) or sealed


class IndexKeys:
    """The id of each scope's index key, in ``gnomon_meta``; implements ``gnomon.vault.IndexKeyIds``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, scope: str) -> str | None:
        """Return the id of the scope's index key, or ``None``."""
        with self._database.begin() as connection:
            found = meta.read_value(connection, _index_key_of(scope))
        return None if found is None else found.decode()

    def put(self, scope: str, kid: str, *, instead_of: str | None) -> str:
        """Store ``kid`` if the scope has the index key ``instead_of``; return the id that is stored then."""
        name = _index_key_of(scope)
        with self._database.begin() as connection:
            if instead_of is None:
                meta.put_if_absent(connection, name, kid.encode())
            else:
                meta.replace(connection, name, kid.encode(), instead_of=instead_of.encode())
            return (meta.read_value(connection, name) or kid.encode()).decode()


def _index_key_of(scope: str) -> str:
    return meta.INDEX_KEY + scope


def put_missing(connection: Connection, rows: Sequence[KeyRow]) -> None:
    """Store those of ``rows`` that are not in the table.

    Raises:
        KeyDestroyedError: Some of them were shredded: what they have sealed could never be read.
    """
    insert = insert_into(KEYS, connection.dialect.name).on_conflict_do_nothing()
    for row in rows:
        connection.execute(insert, asdict(row))
    if not rows:
        return
    # The rows stay locked until the decisions are committed, so that no shredding comes in between.
    locked = select(_C.kid, _C.state).where(_C.kid.in_([row.kid for row in rows]))
    found = connection.execute(locked.with_for_update(read=True)).all()
    destroyed = [kid for kid, state in found if state == SHREDDED]
    if destroyed:
        raise KeyDestroyedError(destroyed)


def require_canary(connection: Connection, canary: bytes, *, name: str) -> None:
    """Check that the store still has ``canary``; put it there if it has none.

    Raises:
        KeyUnavailableError: It has another one.
    """
    meta.put_if_absent(connection, meta.CANARY, canary)
    if meta.read_value(connection, meta.CANARY) != canary:
        raise KeyUnavailableError(
            f"{name} has become another store, perhaps of another key: check it with gnomon keys check,"
            " then start the worker again"
        )
