"""A lease in the store: at most one process at a time holds it, and a dead holder loses it."""

import msgspec
from sqlalchemy import select

from gnomon.store.database import Database
from gnomon.store.meta import put_if_absent, replace
from gnomon.store.schema import META


class _Held(msgspec.Struct, frozen=True):
    """The stored value. ``note`` is the holder's own, for its next holder."""

    owner: str
    until_ms: int
    note: str = ""


class Lease:
    """One named lease. Every method raises ``StoreUnavailableError`` when the database is away.

    Two holders exclude each other as far as their clocks agree: a lease is held until a time.

    Args:
        database: Where it is kept; its tables are there.
        name: Of the lease.
        owner: This process, unlike any other.
    """

    def __init__(self, database: Database, name: str, *, owner: str) -> None:
        self._database, self._name, self._owner = database, f"lease.{name}", owner

    def acquire(self, *, now_ms: int, for_ms: int) -> bool:
        """Take or prolong the lease until ``now_ms + for_ms``; return whether this owner holds it."""
        return self._replace(now_ms, until_ms=now_ms + for_ms, note=None)

    def release(self, *, now_ms: int, note: str) -> bool:
        """Give the lease up and leave ``note``; return whether this owner still held it."""
        return self._replace(now_ms, until_ms=now_ms, note=note)

    def note(self) -> str:
        """Return what the last holder left."""
        with self._database.begin() as connection:
            found = connection.execute(select(META.c.value).where(META.c.name == self._name))
            value = found.scalar_one_or_none()
        return "" if value is None else _decode(value).note

    def _replace(self, now_ms: int, *, until_ms: int, note: str | None) -> bool:
        """Put a new value in the place of the one that was read, unless somebody else did."""
        with self._database.begin() as connection:
            put_if_absent(connection, self._name, msgspec.json.encode(_Held("", 0)))
            found = connection.execute(select(META.c.value).where(META.c.name == self._name))
            before = found.scalar_one()
            held = _decode(before)
            if held.owner != self._owner and held.until_ms > now_ms:
                return False
            if note is not None and held.owner != self._owner:
                return False
            after = _Held(self._owner, until_ms, held.note if note is None else note)
            return replace(connection, self._name, msgspec.json.encode(after), instead_of=before)


def _decode(value: bytes) -> _Held:
    return msgspec.json.decode(value, type=_Held)
