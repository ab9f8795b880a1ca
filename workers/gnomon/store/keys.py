"""Tables of wrapped keys and of the canary, in the same database as the sealed records."""

from collections.abc import Sequence
from dataclasses import asdict

from sqlalchemy import Connection, func, select

from gnomon.errors import KeyUnavailableError
from gnomon.store import meta
from gnomon.store.database import Database, insert_into
from gnomon.store.schema import KEYS
from gnomon.vault import KeyRow


class KeyTable:
    """The table ``gnomon_keys``; implements ``gnomon.vault.KeyRows``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, row: KeyRow) -> None:
        """Store a new row; it is on disk when this returns."""
        with self._database.begin() as connection:
            connection.execute(KEYS.insert(), asdict(row))

    def get(self, kid: str) -> KeyRow | None:
        """Return the row of one key, or ``None``."""
        with self._database.begin() as connection:
            one = connection.execute(select(KEYS).where(KEYS.c.kid == kid))
            found = one.mappings().one_or_none()
        return KeyRow(**found) if found is not None else None

    def count(self) -> int:
        """Return the number of keys."""
        with self._database.begin() as connection:
            return connection.execute(select(func.count()).select_from(KEYS)).scalar_one()


class CanaryRow:
    """The sealed canary in the table ``gnomon_meta``; implements ``gnomon.vault.Canary``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self) -> bytes | None:
        """Return the sealed canary, or ``None`` if the store was never used."""
        with self._database.begin() as connection:
            return meta.read_value(connection, meta.CANARY)

    def put_if_absent(self, sealed: bytes) -> bytes:
        """Store ``sealed`` unless there is a canary; return the one that is stored."""
        with self._database.begin() as connection:
            meta.put_if_absent(connection, meta.CANARY, sealed)
            return meta.read_value(connection, meta.CANARY) or sealed


def put_missing(connection: Connection, rows: Sequence[KeyRow]) -> None:
    """Store those of ``rows`` that are not in the table."""
    insert = insert_into(KEYS, connection.dialect.name).on_conflict_do_nothing()
    for row in rows:
        connection.execute(insert, asdict(row))


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
